//! The table of `chain/target.rs`, cell by cell: one fact in one state, and what it means in money.
//!
//! Each row is a fact of 10.00 in a chain that has a promise of 30.00, and another where it is alone. What is expected
//! is held, posted and pending.

use crate::language::check;

const STATES: [&str; 5] = ["pending", "cleared", "completed", "declined", "error"];

/// held, posted less the opening, pending.
type Money = (&'static str, &'static str, &'static str);

const NOTHING: Money = ("0.00", "100.00", "0.00");
const KEPT: Money = ("30.00", "100.00", "0.00");

fn cell(setup: &str, role: &str, state: &str, options: &str, wanted: Money) {
    let (held, posted, pending) = wanted;
    let fact = format!("report {role} {state} A 10.00 tx=x2 {options}");
    let table = format!("open A 100.00\n{setup}\n{fact} -> held {held} posted {posted} pending {pending}");
    // The same again is nothing new, in whatever state the chain is.
    let again = format!("{fact} -> repeated held {held} posted {posted} pending {pending}");
    check(&format!("{table}\n{again}"));
}

fn row(role: &str, options: &str, alone: [Money; 5], chained: [Money; 5]) {
    for (at, state) in STATES.iter().enumerate() {
        cell("", role, state, options, alone[at]);
        let of = format!("of=j1 {options}");
        cell("authorize j1 A 30.00 tx=x1 -> approved", role, state, &of, chained[at]);
    }
}

const HELD: Money = ("10.00", "100.00", "0.00");
const ADDED: Money = ("40.00", "100.00", "0.00");
const LOWER: Money = ("20.00", "100.00", "0.00");
const PAID: Money = ("0.00", "90.00", "0.00");
const PAID_ASIDE: Money = ("30.00", "90.00", "0.00");
const CREDITED: Money = ("0.00", "110.00", "0.00");
const CREDITED_ASIDE: Money = ("30.00", "110.00", "0.00");

#[test]
fn promises() {
    for role in ["authorization", "incremental"] {
        row(role, "", [HELD, HELD, HELD, NOTHING, NOTHING], [ADDED, ADDED, ADDED, KEPT, KEPT]);
    }
    row("single", "", [HELD, HELD, PAID, NOTHING, NOTHING], [ADDED, ADDED, PAID_ASIDE, KEPT, KEPT]);
}

#[test]
fn reversals() {
    row("reversal", "", [NOTHING; 5], [LOWER, LOWER, LOWER, KEPT, KEPT]);
    row("reversed", "", [NOTHING; 5], [NOTHING, NOTHING, NOTHING, KEPT, KEPT]);
}

#[test]
fn clearings() {
    let alone = [NOTHING, NOTHING, PAID, NOTHING, NOTHING];
    let rest = |money| [KEPT, KEPT, money, KEPT, KEPT];
    row("clearing", "", alone, rest(("20.00", "90.00", "0.00")));
    row("clearing", "release=5.00", alone, rest(("15.00", "90.00", "0.00")));
    row("clearing", "last=yes", alone, rest(PAID));
    row("clearing", "part=1/2", alone, rest(("20.00", "90.00", "0.00")));
    row("clearing", "part=1/1", alone, rest(PAID));
    row("forced", "", alone, rest(("20.00", "90.00", "0.00")));
}

#[test]
fn credits() {
    let announced = ("0.00", "100.00", "10.00");
    let beside = ("30.00", "100.00", "10.00");
    row(
        "announcement",
        "",
        [announced, announced, CREDITED, NOTHING, NOTHING],
        [beside, beside, CREDITED_ASIDE, KEPT, KEPT],
    );
    row(
        "loan",
        "",
        [CREDITED, CREDITED, CREDITED, NOTHING, NOTHING],
        [CREDITED_ASIDE, CREDITED_ASIDE, CREDITED_ASIDE, KEPT, KEPT],
    );
    let come = ([NOTHING, NOTHING, CREDITED, NOTHING, NOTHING], [KEPT, KEPT, CREDITED_ASIDE, KEPT, KEPT]);
    row("credit", "", come.0, come.1);
    row("credited", "", come.0, come.1);
    row("debited", "", [NOTHING, NOTHING, PAID, NOTHING, NOTHING], [KEPT, KEPT, PAID_ASIDE, KEPT, KEPT]);
    row("dropped", "", [NOTHING; 5], [KEPT; 5]);
}

/// What a credit, and the end of one, mean for what was announced or lent.
#[test]
fn the_end_of_announced_credits() {
    for (setup, standing, gone) in [
        ("announce j1 A 30.00 tx=x1 -> approved", ("0.00", "100.00", "30.00"), NOTHING),
        ("lend j1 A 30.00 tx=x1 -> approved", ("0.00", "130.00", "0.00"), NOTHING),
    ] {
        for (at, state) in STATES.iter().enumerate() {
            let come = [standing, standing, CREDITED, standing, standing];
            cell(setup, "credit", state, "of=j1", come[at]);
            let dropped = [gone, gone, gone, standing, standing];
            cell(setup, "dropped", state, "after=x1", dropped[at]);
        }
    }
}

/// Our own yes without a word, for each kind of request that stands for money.
#[test]
fn our_own_yes() {
    for (verb, held, posted, pending) in [
        ("authorize", "10.00", "100.00", "0.00"),
        ("increment", "10.00", "100.00", "0.00"),
        ("single", "10.00", "100.00", "0.00"),
        ("announce", "0.00", "100.00", "10.00"),
        ("lend", "0.00", "110.00", "0.00"),
    ] {
        check(&format!(
            "
            open A 100.00
            {verb} j1 A 10.00 by=1 -> approved  held {held} posted {posted} pending {pending}
            {verb} j1 A 10.00 by=1 -> approved  replayed  held {held} posted {posted} pending {pending}
            void   j1 by=1         -> done      held 0.00 posted 100.00
            "
        ));
    }
}
