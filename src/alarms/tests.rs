//! Each condition at its edge.

use super::*;

/// A node that is well, as far as it can see.
fn well() -> Observed {
    Observed {
        in_contact: true,
        spaces: vec![Space { dir: "/d".into(), left_bytes: Ok(5 * MIB) }],
        space_min_bytes: 5 * MIB,
        tokens: (89, 100),
        budget: Some((79, 21, Journal::Good)),
        diverged: Some(Ok(())),
        clock: Some((check(500_000, 500_000, false), 500_000)),
        certificate_end_us: Some((15 * DAY_US, 0)),
        ..Observed::default()
    }
}

fn check(ahead_us: i64, apart_us: u64, unfit: bool) -> ClockCheck {
    ClockCheck { ahead_us, apart_us, unfit }
}

fn raised(of: &Observed) -> Vec<&'static str> {
    let on = |alarm: &Alarm| matches!(alarm.state, State::On(_));
    judge(of).into_iter().filter(on).map(|alarm| alarm.name).collect()
}

#[test]
fn each_alarm_is_raised_by_its_own_condition_and_by_no_other() {
    assert_eq!(raised(&well()), [""; 0]);
    let full = |left_bytes| vec![Space { dir: "/e".into(), left_bytes }];
    for (name, of) in [
        ("NO_QUORUM", Observed { in_contact: false, ..well() }),
        ("DIVERGED", Observed { diverged: Some(Err("node 2 has another digest".into())), ..well() }),
        ("CORRUPT", Observed { damaged: vec!["a.snapshot".into()], ..well() }),
        ("NOSPACE", Observed { spaces: full(Ok(5 * MIB - 1)), ..well() }),
        ("NOSPACE", Observed { spaces: full(Err("no such directory".into())), ..well() }),
        ("RECONCILE", Observed { lacks_since_us: Some(1), ..well() }),
        ("CLOCK_SKEW", Observed { clock: Some((check(-510_000, 0, true), 500_000)), ..well() }),
        ("CLOCK_SKEW", Observed { clock: Some((check(0, 0, true), 500_000)), ..well() }),
        ("CLOCK_SKEW", Observed { clock: Some((check(0, 500_001, false), 500_000)), ..well() }),
        ("STANDIN_BUDGET", Observed { budget: Some((80, 20, Journal::Good)), ..well() }),
        ("STANDIN_BUDGET", Observed { budget: Some((0, 0, Journal::Bad)), ..well() }),
        ("DEDUP_NEAR_FULL", Observed { tokens: (90, 100), ..well() }),
        ("CERT_EXPIRY", Observed { certificate_end_us: Some((14 * DAY_US, 0)), ..well() }),
    ] {
        assert_eq!(raised(&of), [name], "{of:?}");
    }
}

#[test]
fn the_extremes_are_no_alarm_of_their_own() {
    let none_spent = Observed { budget: Some((0, 0, Journal::Good)), ..well() };
    assert_eq!(raised(&none_spent), [""; 0], "nothing was spent of nothing");
    let never = Observed { space_min_bytes: 0, ..well() };
    assert_eq!(raised(&never), [""; 0]);
    let most = Observed { budget: Some((u64::MAX, u64::MAX, Journal::Good)), tokens: (0, u64::MAX), ..well() };
    assert_eq!(raised(&most), [""; 0]);
}

#[test]
fn what_nobody_looks_at_is_not_off() {
    let blind = Observed { diverged: None, clock: None, certificate_end_us: None, ..well() };
    let unwatched = |alarm: &Alarm| alarm.state == State::Unwatched;
    let names: Vec<_> = judge(&blind).into_iter().filter(unwatched).map(|alarm| alarm.name).collect();
    assert_eq!(names, ["DIVERGED", "CLOCK_SKEW", "CERT_EXPIRY"]);
}

/// Whoever is woken finds a page.
#[test]
fn every_alarm_has_its_section_in_the_runbooks() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks.md")).expect("the runbooks");
    for alarm in judge(&well()) {
        assert!(text.contains(&format!("\n## {}\n", alarm.name)), "{} has no section", alarm.name);
        assert_eq!(alarm.page(), format!("docs/runbooks.md#{}", alarm.name.to_lowercase()));
    }
}
