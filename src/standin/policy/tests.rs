//! Each refusal at its boundary, and the worst case against greedy nodes.

use super::*;
use crate::facts::Kind;
use crate::limits::Stated;
use ledger::{Balance, Currency, Facts, Program, UserToken};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn amount(minor: u64, code: &str) -> Amount {
    Amount::new(minor, Currency::from_code(code).unwrap()).unwrap()
}

fn usd(minor: u64) -> Amount {
    amount(minor, "USD")
}

fn stated() -> Stated {
    Stated {
        nodes: 3,
        per_transaction: usd(50),
        per_account: usd(240),
        per_account_count: 9,
        per_node: usd(200),
        total: None,
        window: Duration::from_secs(3600),
    }
}

fn approve() -> Approve {
    Approve {
        limits: Limits::new(&stated()).unwrap(),
        available_percent: 100,
        state_age_max: Duration::from_secs(60),
        refusals: Refusals::default(),
        rules: Vec::new(),
        otherwise: Say::Approve,
    }
}

fn account(status: AccountStatus, available: i64) -> AccountView {
    let balance = Balance { currency: usd(0).currency(), posted_minor: available + 5, held_minor: 5 };
    AccountView { user: UserToken::new("u").unwrap(), status, balances: vec![balance], holds: 1 }
}

fn whose(user: &str) -> Whose {
    let (program, user) = (Program::new("default").unwrap(), UserToken::new(user).unwrap());
    Whose { program, user, currency: usd(0).currency() }
}

fn case(account: Option<&AccountView>, minor: u64) -> Case<'_> {
    Case {
        whose: whose("u"),
        kind: RequestKind::Authorization,
        amount: usd(minor),
        facts: Facts::default(),
        account,
        foreseen: Ok(()),
        state_age: Some(Duration::from_secs(60)),
    }
}

fn used(approvals: &[u64]) -> Usage {
    let mut usage = Usage::default();
    approvals.iter().for_each(|minor| usage.add(0, whose("u"), *minor));
    usage
}

#[test]
fn each_limit_holds_at_its_boundary() {
    let rich = account(AccountStatus::Active, 1_000_000);
    let check = |minor, usage: &Usage| approve().check(&case(Some(&rich), minor), usage);
    assert_eq!(check(50, &used(&[])), Ok(()));
    assert_eq!(check(51, &used(&[])), Err(Refusal::PerTransaction));
    assert_eq!(check(30, &used(&[50])), Ok(()));
    assert_eq!(check(31, &used(&[50])), Err(Refusal::PerAccount));
    assert_eq!(check(1, &used(&[1, 1])), Ok(()));
    assert_eq!(check(1, &used(&[1, 1, 1])), Err(Refusal::PerAccountCount));
    let mut node = used(&[]);
    (0..3).for_each(|other| node.add(0, whose(&format!("o{other}")), 50));
    assert_eq!(check(50, &node), Ok(()));
    node.add(0, whose("o9"), 1);
    assert_eq!(check(50, &node), Err(Refusal::PerNode));
    assert_eq!(check(u64::from(u32::MAX), &used(&[])), Err(Refusal::PerTransaction));
}

#[test]
fn the_slice_is_a_share_of_what_was_there() {
    let check = |available, minor, usage: &Usage| {
        approve().check(&case(Some(&account(AccountStatus::Active, available)), minor), usage)
    };
    assert_eq!(check(90, 30, &used(&[])), Ok(()));
    assert_eq!(check(89, 30, &used(&[])), Err(Refusal::Slice));
    assert_eq!(check(90, 11, &used(&[20])), Err(Refusal::Slice));
    let mut settled = used(&[20]);
    settled.seen_in_books(whose("u"), 20);
    assert_eq!(check(70, 23, &settled), Ok(()));
    assert_eq!((check(-5, 1, &used(&[])), check(-5, 0, &used(&[]))), (Err(Refusal::Slice), Ok(())));
    let half = Approve { available_percent: 50, ..approve() };
    let rich = account(AccountStatus::Active, 90);
    assert_eq!(half.check(&case(Some(&rich), 16), &used(&[])), Err(Refusal::Slice));
    assert_eq!(half.check(&case(Some(&rich), 15), &used(&[])), Ok(()));
}

#[test]
fn an_account_that_is_not_known_to_take_part_is_refused() {
    let check = |account: Option<&AccountView>| approve().check(&case(account, 1), &used(&[]));
    assert_eq!(check(None), Err(Refusal::Unknown));
    assert_eq!(check(Some(&account(AccountStatus::Frozen, 100))), Err(Refusal::Status));
    assert_eq!(check(Some(&account(AccountStatus::Closed, 100))), Err(Refusal::Status));
    let active = account(AccountStatus::Active, 100);
    for (reason, refusal) in [
        (DeclineReason::CardNotActive, Refusal::Status),
        (DeclineReason::UserNotActive, Refusal::Status),
        (DeclineReason::CardUnknown, Refusal::Controls),
        (DeclineReason::ControlAmount, Refusal::Controls),
        (DeclineReason::Fraud, Refusal::Controls),
        (DeclineReason::Reconciling, Refusal::StateAge),
    ] {
        let case = Case { foreseen: Err(reason), ..case(Some(&active), 1) };
        assert_eq!(approve().check(&case, &used(&[])), Err(refusal));
    }
    let euro = Case { amount: amount(1, "EUR"), ..case(Some(&active), 1) };
    assert_eq!(approve().check(&euro, &used(&[])), Err(Refusal::Unknown));
    let mut both = active.clone();
    both.balances.push(Balance { currency: amount(1, "EUR").currency(), posted_minor: 9, held_minor: 0 });
    let euro = Case { amount: amount(1, "EUR"), ..case(Some(&both), 1) };
    assert_eq!(approve().check(&euro, &used(&[])), Err(Refusal::Currency));
}

#[test]
fn old_books_other_kinds_and_what_is_refused() {
    let active = account(AccountStatus::Active, 100);
    let check = |case: &Case<'_>| approve().check(case, &used(&[]));
    let old = Duration::from_millis(60_001);
    assert_eq!(check(&Case { state_age: Some(old), ..case(Some(&active), 1) }), Err(Refusal::StateAge));
    assert_eq!(check(&Case { state_age: None, ..case(Some(&active), 1) }), Err(Refusal::StateAge));
    for kind in [RequestKind::BalanceInquiry, RequestKind::Notice] {
        assert_eq!(check(&Case { kind, ..case(Some(&active), 1) }), Err(Refusal::Request));
    }
    let verification = Case { kind: RequestKind::Verification, ..case(Some(&active), 0) };
    assert_eq!(check(&verification), Ok(()));
    let refusals = Refusals { kinds: BTreeSet::from([Kind::Cash]), ..Refusals::default() };
    let careful = Approve { refusals, ..approve() };
    assert_eq!(careful.check(&case(Some(&active), 1), &used(&[])), Err(Refusal::Refused));
    let none = Approve { otherwise: Say::Decline, ..approve() };
    assert_eq!(none.check(&case(Some(&active), 1), &used(&[])), Err(Refusal::Rule));
    let rule = Rule { programs: vec![whose("u").program], say: Say::Approve, ..Rule::default() };
    let ours = Approve { rules: vec![rule], ..none };
    assert_eq!(ours.check(&case(Some(&active), 1), &used(&[])), Ok(()));
    assert_eq!(
        ours.check(&case(Some(&active), 51), &used(&[])),
        Err(Refusal::PerTransaction),
        "no rule widens a limit"
    );
}

proptest! {
    /// Nodes that all spend what they can never lose more than was said before; and it can be lost, so it is no
    /// larger than it must be by more than the rounding of a transaction.
    #[test]
    fn the_worst_case_is_never_exceeded(
        nodes in 1_u32..6,
        (transaction, account_limit, count, node) in (1_u64..60, 1_u64..400, 1_u32..20, 1_u64..500),
        total in proptest::option::of(1_u64..2000),
        accounts in 1_usize..5,
        spent_here in proptest::collection::vec((0_usize..5, 1_u64..60), 0..20),
        spends in proptest::collection::vec((0_usize..6, 0_usize..5, 1_u64..60), 0..400),
    ) {
        let stated = Stated {
            nodes,
            per_transaction: usd(transaction),
            per_account: usd(account_limit),
            per_account_count: count,
            per_node: usd(node),
            total: total.map(usd),
            window: Duration::from_secs(1),
        };
        let Ok(limits) = Limits::new(&stated) else { return Ok(()) };
        let policy = Approve { limits, ..approve() };
        let rich = account(AccountStatus::Active, 1 << 50);
        let mut usages = vec![Usage::default(); nodes as usize];
        let spend = |usage: &mut Usage, account: usize, minor: u64| {
            let whose = whose(&format!("a{}", account % accounts));
            let case = Case { whose, ..case(Some(&rich), minor) };
            let may = policy.check(&case, usage).is_ok();
            if may {
                usage.add(0, whose, minor);
            }
            if may { u128::from(minor) } else { 0 }
        };
        for (account, minor) in spent_here {
            spend(&mut usages[0], account, minor);
        }
        let left = limits.node_minor - usages[0].node_minor(limits.currency);
        let worst = policy.worst_case_minor(accounts as u64, left);
        let mut lost = 0;
        for (node, account, minor) in spends {
            let node = node % usages.len();
            lost += spend(&mut usages[node], account, minor);
        }
        prop_assert!(lost <= worst, "{lost} of {worst}");
        let budget = stated.total.map_or(u128::from(nodes) * u128::from(node), |total| u128::from(total.minor()));
        let all: u128 = usages.iter().map(|usage| u128::from(usage.node_minor(limits.currency))).sum();
        prop_assert!(all <= budget.min(accounts as u128 * u128::from(account_limit)), "the cluster's own limits");
    }
}
