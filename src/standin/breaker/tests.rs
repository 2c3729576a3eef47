//! Each edge of the breaker, and random lives of it.

use super::*;
use proptest::prelude::*;

struct Life {
    breaker: Breaker,
    now: Instant,
    age: Option<Duration>,
    owed: usize,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn order(who: &str) -> Order {
    Order { who: who.to_owned(), why: "maintenance".to_owned() }
}

impl Life {
    fn new() -> Life {
        let now = Instant::now();
        Life { breaker: Breaker::new(Rules::default(), now), now, age: Some(ms(0)), owed: 0 }
    }

    /// Time goes on in steps of 10 ms; the contact grows old with it unless it is said to be there.
    fn pass(&mut self, time_ms: u64, contact: Contact) -> Vec<Transition> {
        let mut seen = Vec::new();
        for _ in 0..time_ms / 10 {
            self.now += ms(10);
            self.age = match contact {
                Contact::There => Some(ms(30)),
                Contact::Lost => self.age.map(|age| age + ms(10)),
            };
            seen.extend(self.breaker.look(self.now, Look { contact_age: self.age, owed: self.owed }));
        }
        seen
    }

    fn opened() -> Life {
        let mut life = Life::new();
        let seen = life.pass(1200, Contact::Lost);
        assert_eq!(
            seen.iter().map(|seen| (seen.to, seen.cause)).collect::<Vec<_>>(),
            [(Phase::Open, Cause::ContactLost)]
        );
        life
    }

    fn half_open() -> Life {
        let mut life = Life::opened();
        let seen = life.pass(1000, Contact::There);
        assert_eq!(seen.iter().map(|seen| seen.cause).collect::<Vec<_>>(), [Cause::ContactBack]);
        life
    }

    fn ask(&mut self, outcome: Asked, times: u32) -> Option<Transition> {
        (0..times).filter_map(|_| self.breaker.asked(self.now, outcome)).next_back()
    }
}

#[derive(Clone, Copy)]
enum Contact {
    There,
    Lost,
}

#[test]
fn it_stays_closed_through_a_normal_fail_over() {
    let mut life = Life::new();
    assert!(life.pass(1190, Contact::Lost).is_empty());
    assert!(life.pass(5000, Contact::There).is_empty());
    assert_eq!(life.breaker.admit(0), Admission::Ask);
}

#[test]
fn it_opens_when_contact_is_lost_for_long_enough() {
    let mut life = Life::opened();
    assert_eq!(life.breaker.phase(), Phase::Open);
    assert_eq!(life.breaker.admit(0), Admission::Alone);
}

#[test]
fn a_node_that_never_had_contact_opens_as_long_after_its_start() {
    let mut life = Life::new();
    life.age = None;
    assert!(life.pass(1190, Contact::Lost).is_empty());
    assert_eq!(life.pass(10, Contact::Lost).len(), 1);
}

#[test]
fn a_new_leader_without_an_acknowledgement_has_not_lost_contact() {
    let mut life = Life::new();
    life.pass(60_000, Contact::There);
    life.age = None;
    assert!(life.pass(1000, Contact::Lost).is_empty());
    assert!(life.pass(1000, Contact::There).is_empty());
}

#[test]
fn it_dwells_although_contact_is_back_at_once() {
    let mut life = Life::opened();
    assert!(life.pass(990, Contact::There).is_empty());
    assert_eq!(life.pass(10, Contact::There).len(), 1);
}

#[test]
fn contact_with_gaps_is_not_back() {
    let mut life = Life::opened();
    life.pass(1000, Contact::Lost);
    for _ in 0..20 {
        assert!(life.pass(200, Contact::There).is_empty());
        assert!(life.pass(600, Contact::Lost).is_empty());
    }
    assert_eq!(life.breaker.phase(), Phase::Open);
    assert_eq!(life.pass(610, Contact::There).len(), 1);
}

#[test]
fn half_open_lets_one_request_through() {
    let mut life = Life::half_open();
    assert_eq!(life.breaker.admit(0), Admission::Probe);
    assert_eq!((life.breaker.admit(0), life.breaker.admit(0)), (Admission::Alone, Admission::Alone));

    assert_eq!(life.breaker.probed(life.now, Asked::Dropped), None);
    assert_eq!(life.breaker.admit(0), Admission::Probe, "a probe that nobody waits for says nothing");
}

#[test]
fn it_closes_only_when_probed_and_settled() {
    let mut life = Life::half_open();
    life.owed = 300;
    assert_eq!(life.breaker.admit(300), Admission::Probe);
    assert_eq!(life.breaker.probed(life.now, Asked::Decided), None);
    assert!(life.pass(100, Contact::There).is_empty());
    assert_eq!(life.breaker.admit(300), Admission::Alone);
    assert_eq!(life.breaker.admit(256), Admission::Wait);
    life.owed = 0;
    let seen = life.pass(10, Contact::There);
    assert_eq!(
        seen.iter().map(|seen| (seen.from, seen.to, seen.cause)).collect::<Vec<_>>(),
        [(Phase::HalfOpen, Phase::Closed, Cause::Settled)]
    );
    assert_eq!(life.breaker.last(), seen.first().copied());
}

#[test]
fn without_a_probe_it_does_not_close() {
    let mut life = Life::half_open();
    assert!(life.pass(10_000, Contact::There).is_empty());
}

#[test]
fn a_failed_probe_opens_it_for_longer() {
    let mut life = Life::half_open();
    life.breaker.admit(0);
    let seen = life.breaker.probed(life.now, Asked::Undecided).unwrap();
    assert_eq!((seen.to, seen.cause), (Phase::Open, Cause::ProbeFailed));
    assert!(life.pass(1990, Contact::There).is_empty());
    assert_eq!(life.pass(10, Contact::There).len(), 1);
}

#[test]
fn contact_lost_while_half_open_opens_it() {
    let mut life = Life::half_open();
    life.breaker.admit(0);
    let seen = life.pass(1300, Contact::Lost);
    assert_eq!((seen[0].to, seen[0].cause), (Phase::Open, Cause::ContactLost));
    assert_eq!(life.breaker.probed(life.now, Asked::Decided), None);
    assert_eq!(life.breaker.phase(), Phase::Open, "a late probe says nothing");
}

#[test]
fn after_a_calm_minute_the_dwell_is_short_again() {
    let mut life = Life::half_open();
    life.breaker.admit(0);
    life.breaker.probed(life.now, Asked::Decided);
    life.pass(60_010, Contact::There);
    assert_eq!(life.breaker.phase(), Phase::Closed);
    // The contact is 30 ms old already.
    assert_eq!(life.pass(1170, Contact::Lost).len(), 1);
    assert!(life.pass(990, Contact::There).is_empty());
    assert_eq!(life.pass(10, Contact::There).len(), 1);
}

#[test]
fn undecided_in_two_spans_in_a_row_opens_it() {
    let mut life = Life::new();
    let mut seen = Vec::new();
    for _ in 0..2 {
        assert!(seen.is_empty());
        assert_eq!(life.ask(Asked::Undecided, 16), None);
        assert_eq!(life.ask(Asked::Decided, 4), None);
        seen = life.pass(1200, Contact::There);
    }
    assert_eq!(seen.iter().map(|seen| seen.cause).collect::<Vec<_>>(), [Cause::Undecided]);
}

#[test]
fn fewer_undecided_one_bad_span_or_a_silence_do_not() {
    let mut few = Life::new();
    for _ in 0..5 {
        few.ask(Asked::Undecided, 15);
        few.ask(Asked::Decided, 5);
        assert!(few.pass(1200, Contact::There).is_empty());
    }
    let mut one = Life::new();
    for (undecided, decided) in [(20, 0), (0, 20), (20, 0), (0, 20)] {
        one.ask(Asked::Undecided, undecided);
        one.ask(Asked::Decided, decided);
        assert!(one.pass(1200, Contact::There).is_empty());
    }
    let mut quiet = Life::new();
    for _ in 0..4 {
        quiet.ask(Asked::Undecided, 20);
        assert!(quiet.pass(2400, Contact::There).is_empty());
    }
    let mut rare = Life::new();
    for _ in 0..4 {
        rare.ask(Asked::Undecided, 19);
        assert!(rare.pass(1200, Contact::There).is_empty());
    }
}

#[test]
fn forced_open_it_stays_until_it_is_given_back() {
    let mut life = Life::new();
    let seen = life.breaker.force_open(life.now, order("ada")).unwrap();
    assert_eq!((seen.from, seen.to, seen.cause), (Phase::Closed, Phase::Open, Cause::Forced));
    assert!(life.pass(60_000, Contact::There).is_empty());
    assert_eq!(life.breaker.force_open(life.now, order("bob")), None);
    assert_eq!(life.breaker.mode(), &Mode::ForcedOpen(order("bob")));
    life.breaker.auto(order("eve"));
    assert_eq!(life.breaker.mode(), &Mode::Auto(Some(order("eve"))));
    assert_eq!(life.pass(10, Contact::There).len(), 1);
    assert_eq!(life.breaker.phase(), Phase::HalfOpen);
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Look { after_ms: u64, age_ms: u64, owed: usize },
    Admit,
    Probed(u8),
    Asked(u8),
    Force,
    Auto,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let look = (0_u64..800, prop_oneof![Just(20_u64), 0_u64..2400], 0_usize..3);
    let event = prop_oneof![
        6 => look.prop_map(|(after_ms, age_ms, owed)| Event::Look { after_ms, age_ms, owed }),
        4 => Just(Event::Admit),
        3 => (0_u8..3).prop_map(Event::Probed),
        3 => (0_u8..3).prop_map(Event::Asked),
        1 => Just(Event::Force),
        1 => Just(Event::Auto),
    ];
    proptest::collection::vec(event, 0..200)
}

fn outcome(number: u8) -> Asked {
    [Asked::Decided, Asked::Undecided, Asked::Dropped][usize::from(number)]
}

proptest! {
    /// One probe at a time, no flapping, and never closed before probed and settled, whatever happens.
    #[test]
    fn whatever_happens_the_rules_hold(events in events()) {
        let mut now = Instant::now();
        let rules = Rules::default();
        let mut breaker = Breaker::new(rules, now);
        let (mut out, mut decided, mut owed, mut opened) = (0, false, 0, None::<Instant>);
        let mut heard = now;
        for event in events {
            let was = breaker.phase();
            let forced = matches!(breaker.mode(), Mode::ForcedOpen(_));
            let mut age = ms(0);
            let change = match event {
                Event::Look { after_ms, age_ms, owed: owes } => {
                    now += ms(after_ms);
                    let told = ms(age_ms);
                    heard = heard.max(now.checked_sub(told).unwrap_or(heard));
                    (age, owed) = (now - heard, owes);
                    breaker.look(now, Look { contact_age: Some(told), owed })
                }
                Event::Admit => {
                    if breaker.admit(owed) == Admission::Probe {
                        out += 1;
                        decided = false;
                    }
                    None
                }
                Event::Probed(number) if out > 0 => {
                    out -= 1;
                    decided = was == Phase::HalfOpen && outcome(number) == Asked::Decided;
                    breaker.probed(now, outcome(number))
                }
                Event::Probed(_) => None,
                Event::Asked(number) => breaker.asked(now, outcome(number)),
                Event::Force => breaker.force_open(now, order("ada")),
                Event::Auto => {
                    breaker.auto(order("eve"));
                    None
                }
            };
            prop_assert!(out <= 1, "two probes");
            prop_assert_eq!(change.is_some(), was != breaker.phase());
            let Some(change) = change else { continue };
            prop_assert_eq!((change.from, change.to), (was, breaker.phase()));
            match (change.to, change.cause) {
                (Phase::Open, Cause::ContactLost) => prop_assert!(age >= rules.open_after),
                (Phase::Open, Cause::Undecided | Cause::ProbeFailed | Cause::Forced) => {}
                (Phase::HalfOpen, Cause::ContactBack) => {
                    let open_for = now - opened.expect("it was open");
                    prop_assert!(open_for >= rules.dwell && !forced && age <= rules.fresh_within);
                }
                (Phase::Closed, Cause::Settled) => prop_assert!(decided && owed == 0 && !forced),
                other => prop_assert!(false, "{other:?}"),
            }
            if change.to == Phase::Open {
                // What is out belongs to the phase that has just ended.
                (out, decided, opened) = (0, false, Some(now));
            }
        }
    }
}
