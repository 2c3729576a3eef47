//! Random commands over few names, so that they meet.

use holdfast_ledger::*;
use proptest::prelude::*;

pub const PROGRAMS: [&str; 2] = ["default", "other"];
pub const USERS: [&str; 4] = ["A", "B", "C", "D"];

/// Sequences of at most `count` commands.
pub fn commands(count: usize) -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(command(), 1..=count)
}

/// The same with facts of the processor among them, and with sweeps.
pub fn reported(count: usize) -> impl Strategy<Value = Vec<Command>> {
    let command = prop_oneof![
        3 => command(),
        3 => event().prop_map(Command::Event),
        2 => chained().prop_map(Command::Authorize),
        1 => any::<u16>().prop_map(|from| Command::Sweep(Sweep { from, parts: 256 })),
    ];
    prop::collection::vec(command, 1..=count)
}

fn chained() -> impl Strategy<Value = Authorize> {
    let names = (prop::option::of(token()), prop::option::of(token()));
    (authorize(), chained_kind(), names, facts()).prop_map(|(request, kind, (original, preceding), facts)| Authorize {
        kind,
        original,
        preceding,
        facts,
        expires_after: Some(Seconds(0)),
        ..request
    })
}

/// All that facts can say, and nothing.
fn facts() -> impl Strategy<Value = Option<Facts>> {
    let facts = (any::<u16>(), token(), any::<u64>(), any::<bool>()).prop_map(|(number, token, at, known)| Facts {
        mcc: known.then_some(number),
        merchant: Some(token),
        country: Country::new("GBR").ok(),
        card: known.then_some(token),
        product: Some(token),
        acting: None,
        business: None,
        partial_ok: Fact::Unknown,
        channel: Channel::Atm,
        entry: Entry::ChipFallback,
        cash: CashKind::QuasiCash,
        card_present: Fact::Yes,
        cross_border: Fact::No,
        network_score: Some(number),
        processor_score: known.then_some(number),
        outside_score: None,
        risk: Risk::Medium,
        advice: Advice::Decline,
        security_code: Check::Mismatch,
        address: Check::Partial,
        three_ds: Check::Match,
        lodging_or_rental: Fact::No,
        preauthorization: Fact::Yes,
        life_days: Some(number),
        stands_until: known.then_some(Timestamp(at)),
    });
    prop::option::of(facts)
}

fn chained_kind() -> impl Strategy<Value = RequestKind> {
    use RequestKind::{Authorization, CreditAuthorization, FastCredit, Incremental, SingleDebit};
    prop::sample::select(&[Authorization, CreditAuthorization, FastCredit, Incremental, SingleDebit][..])
}

fn event() -> impl Strategy<Value = Event> {
    let names = || prop::option::of(token());
    let names = (names(), names(), names(), names()).prop_map(|(jit, transaction, original, preceding)| Names {
        jit,
        transaction,
        original,
        preceding,
    });
    let expires_after = prop::option::of((0..3u32).prop_map(Seconds));
    (program(), names, user(), amount(), role(), word(), expires_after, facts()).prop_map(
        |(program, names, user, amount, role, word, expires_after, facts)| Event {
            program,
            names,
            user,
            amount,
            role,
            word,
            expires_after,
            facts,
        },
    )
}

fn word() -> impl Strategy<Value = Word> {
    prop::sample::select(&[Word::Pending, Word::Cleared, Word::Declined, Word::Error, Word::Completed][..])
}

fn role() -> impl Strategy<Value = Role> {
    let part = prop::option::of((any::<u8>(), any::<u8>()).prop_map(|(number, count)| Part { number, count }));
    let clearing = (any::<bool>(), minor(), part);
    prop_oneof![
        3 => clearing.prop_map(|(last, released_minor, part)| Role::Clearing(Clearing { last, released_minor, part })),
        12 => prop::sample::select(
            &[
                Role::Authorization,
                Role::Incremental,
                Role::SingleDebit,
                Role::Reversal,
                Role::FullReversal,
                Role::ForceCapture,
                Role::CreditAuthorization,
                Role::FastCredit,
                Role::Credit,
                Role::CreditReversal,
                Role::AdjustmentCredit,
                Role::AdjustmentDebit,
            ][..]
        ),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        10 => authorize().prop_map(Command::Authorize),
        4 => authorize().prop_map(Command::Force),
        6 => void().prop_map(Command::Void),
        2 => open().prop_map(Command::Open),
        3 => movement().prop_map(Command::Move),
        1 => (program(), user(), status())
            .prop_map(|(program, user, status)| Command::SetStatus(SetStatus { program, user, status })),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    prop_oneof![9 => Just(PROGRAMS[0]), 1 => Just(PROGRAMS[1])].prop_map(|text| Program::new(text).expect("an id"))
}

fn user() -> impl Strategy<Value = UserToken> {
    prop::sample::select(&USERS[..]).prop_map(|text| UserToken::new(text).expect("an id"))
}

fn token() -> impl Strategy<Value = Token> {
    // One of them often enough to meet more attempts than are kept.
    prop_oneof![2 => Just(0), 3 => 1..6].prop_map(|number| Token::new(&format!("t{number}")).expect("an id"))
}

fn attempt() -> impl Strategy<Value = Attempt> {
    (1..=12u64).prop_map(|counter| Attempt { node: 1, incarnation: 1, counter })
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    prop_oneof![12 => Just(0u8), 1 => Just(1)].prop_map(|byte| Fingerprint([byte; 16]))
}

fn currency() -> impl Strategy<Value = Currency> {
    let code = prop_oneof![8 => Just("USD"), 2 => Just("JPY"), 1 => Just("KWD")];
    code.prop_map(|code| Currency::from_code(code).expect("listed"))
}

fn minor() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 12 => 1..=300u64, 2 => Just(Amount::MINOR_MAX), 1 => 0..=Amount::MINOR_MAX]
}

fn amount() -> impl Strategy<Value = Amount> {
    (minor(), currency()).prop_map(|(minor, currency)| Amount::new(minor, currency).expect("in range"))
}

fn status() -> impl Strategy<Value = AccountStatus> {
    prop::sample::select(
        &[AccountStatus::Active, AccountStatus::Active, AccountStatus::Frozen, AccountStatus::Closed][..],
    )
}

fn authorize() -> impl Strategy<Value = Authorize> {
    let kind = prop_oneof![
        12 => Just(RequestKind::Authorization),
        1 => Just(RequestKind::Verification),
        1 => Just(RequestKind::BalanceInquiry),
        1 => Just(RequestKind::Notice),
    ];
    let names = (program(), attempt(), token(), fingerprint());
    // A transaction has one request, as it has at the processor.
    (names, kind, user(), amount(), any::<bool>()).prop_map(|(names, kind, user, amount, named)| {
        let (program, attempt, token, fingerprint) = names;
        let transaction = named.then_some(token);
        Authorize {
            program,
            attempt,
            token,
            fingerprint,
            kind,
            user,
            amount,
            transaction,
            original: None,
            preceding: None,
            expires_after: None,
            facts: None,
        }
    })
}

fn void() -> impl Strategy<Value = Void> {
    (program(), attempt(), token(), fingerprint()).prop_map(|(program, attempt, token, fingerprint)| Void {
        program,
        attempt,
        token,
        fingerprint,
    })
}

fn opening() -> impl Strategy<Value = Opening> {
    let credit = prop_oneof![20 => minor(), 1 => any::<u64>()];
    (user(), currency(), credit).prop_map(|(user, currency, credit_minor)| Opening { user, currency, credit_minor })
}

fn open() -> impl Strategy<Value = Open> {
    let openings = prop_oneof![
        30 => prop::collection::vec(opening(), 0..5),
        1 => opening().prop_map(|opening| vec![opening; Open::MAX + 1]),
    ];
    (program(), openings).prop_map(|(program, openings)| Open { program, openings })
}

fn movement() -> impl Strategy<Value = Move> {
    let direction = prop::sample::select(&[MoveDirection::Credit, MoveDirection::Debit][..]);
    (program(), token(), user(), direction, amount()).prop_map(|(program, key, user, direction, amount)| Move {
        program,
        key,
        user,
        direction,
        amount,
    })
}
