//! Reads the books after a run, for the checkers: what nodes owe, accounts with their holds, tokens, the log, digests.
//!
//! What must hold: what cannot be read is said in [`books::Settled::missing`], never left out silently; all waits are
//! bounded. It asks linearizably, after everything that nodes owe was seen applied. Not here: what it proves (`check`).

mod log;

use crate::admin::Admin;
use crate::history::{AccountStatus, Books, Heard, History, Task, books};
use crate::money;
use anyhow::Context;
use ledger::Currency;
use proto::admin::v1 as wire;
use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

/// Between two looks at what is owed.
const POLL: Duration = Duration::from_millis(200);
/// How long one answer may take here.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Rows of a page; the interface gives no more.
const PAGE: u32 = 1_000;

/// Reads everything that the history is about. Waits at most so long for nodes to settle what they owe.
pub async fn collect(admin: &Admin, history: &History, patience: Duration) -> anyhow::Result<Books> {
    let currency = Currency::from_code(&history.begin.currency).context("the history's currency is not known")?;
    let mut missing = Vec::new();
    let (settled, stand_in) = settle(admin, patience).await;
    if !settled {
        missing.push("not everything that nodes owe is settled".to_owned());
    }
    let names: BTreeSet<&str> = history.ops.iter().map(|op| op.task.account()).collect();
    let mut accounts = Vec::new();
    for name in names {
        match account(admin, currency, name).await {
            Ok(found) => accounts.extend(found),
            Err(error) => missing.push(format!("account {name}: {error:#}")),
        }
    }
    let held: HashSet<&str> = accounts.iter().flat_map(|account| &account.holds).map(|hold| &*hold.token).collect();
    let mut tokens = Vec::new();
    for token in approved(history).into_iter().filter(|token| !held.contains(token)) {
        match explain(admin, token).await {
            Ok(found) => tokens.push(found),
            Err(error) => missing.push(format!("token {token}: {error:#}")),
        }
    }
    let applied = log::read(admin, history).await;
    let log = applied.is_ok();
    let applied = applied.unwrap_or_else(|error| {
        missing.push(format!("the log: {error:#}"));
        Vec::new()
    });
    let digests = digests(admin).await.unwrap_or_else(|error| {
        missing.push(format!("digests: {error:#}"));
        Vec::new()
    });
    let settled = Some(books::Settled { settled, log, missing });
    Ok(Books { accounts, tokens, applied, digests, stand_in, settled })
}

/// Tokens that somebody was told yes for.
fn approved(history: &History) -> BTreeSet<&str> {
    let told = history.ops.iter().filter(|op| op.heard == Heard::Ok);
    told.filter_map(|op| match &op.task {
        Task::Authorize { token, .. } => Some(&**token),
        _ => None,
    })
    .collect()
}

/// Waits until no node owes anything and every breaker is closed. What each said last.
async fn settle(admin: &Admin, patience: Duration) -> (bool, Vec<books::StandIn>) {
    let began = Instant::now();
    loop {
        let mut rows = Vec::new();
        for client in admin.clients() {
            let mut client = client.clone();
            let asked = tokio::time::timeout(ANSWER_MAX, client.stand_in_status(wire::StandInStatusRequest {}));
            // A node that does not answer is one that may owe something: a row less than there are nodes.
            let Ok(Ok(answer)) = asked.await else { continue };
            let wire::StandInStatusResponse { node, phase, owed, policy, journal, .. } = answer.into_inner();
            rows.push(books::StandIn { node, phase, owed, policy, journal });
        }
        let idle = rows.iter().all(|row| row.owed == 0 && row.phase == "closed");
        let settled = rows.len() == admin.clients().len() && idle;
        if settled || began.elapsed() >= patience {
            return (settled, rows);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// An account with all its holds; none if the books do not know it.
async fn account(admin: &Admin, currency: Currency, name: &str) -> anyhow::Result<Option<books::Account>> {
    let request = wire::ListAccountsRequest { user_prefix: name.to_owned(), limit: PAGE, ..Default::default() };
    let listed = admin.call(0, |mut client| {
        let request = request.clone();
        async move { client.list_accounts(request).await }
    });
    let Some(found) = listed.await?.accounts.into_iter().find(|account| account.user_token == name) else {
        return Ok(None);
    };
    let status = match found.status() {
        wire::AccountStatus::Unspecified | wire::AccountStatus::Active => AccountStatus::Active,
        wire::AccountStatus::Frozen => AccountStatus::Frozen,
        wire::AccountStatus::Closed => AccountStatus::Closed,
    };
    let balance = found.balances.iter().find(|balance| balance.currency == currency.code());
    let balance = balance.context("does not hold the currency")?;
    let posted = i64::try_from(minor(&balance.posted, currency)?).context("posted")?;
    let held = i64::try_from(minor(&balance.held, currency)?).context("held")?;
    let holds = holds(admin, currency, name).await?;
    Ok(Some(books::Account { account: name.to_owned(), posted, held, status, holds }))
}

async fn holds(admin: &Admin, currency: Currency, name: &str) -> anyhow::Result<Vec<books::Hold>> {
    let mut holds = Vec::new();
    let mut after = 0;
    loop {
        let request = wire::ListHoldsRequest { user_token: name.to_owned(), after, limit: PAGE, ..Default::default() };
        let asked = admin.call(0, |mut client| {
            let request = request.clone();
            async move { client.list_holds(request).await }
        });
        let page = asked.await?;
        let last = page.holds.last().map(|hold| hold.number);
        for hold in page.holds.into_iter().filter(|hold| hold.currency == currency.code()) {
            let amount = u64::try_from(minor(&hold.amount, currency)?).context("amount of a hold")?;
            holds.push(books::Hold { token: hold.token, amount, forced: hold.forced, conflict: hold.conflict });
        }
        match last {
            Some(last) if page.more => after = last,
            Some(_) | None => return Ok(holds),
        }
    }
}

async fn explain(admin: &Admin, token: &str) -> anyhow::Result<books::Token> {
    let request = wire::ExplainRequest { program: String::new(), token: token.to_owned() };
    let asked = admin.call(0, |mut client| {
        let request = request.clone();
        async move { client.explain(request).await }
    });
    let wire::ExplainResponse { known, outcome, decline_reason, .. } = asked.await?;
    Ok(books::Token { token: token.to_owned(), known, outcome, reason: decline_reason })
}

async fn digests(admin: &Admin) -> anyhow::Result<Vec<books::Digest>> {
    let request = wire::VerifyRequest { allow_missing: true };
    let answer = admin.call(0, |mut client| async move { client.verify(request).await }).await?;
    let row = |member: wire::MemberDigest| books::Digest {
        node: member.id,
        index: answer.index,
        digest: member.reached.then_some(member.digest),
        violations: member.violations,
    };
    Ok(answer.members.into_iter().map(row).collect())
}

fn minor(text: &str, currency: Currency) -> anyhow::Result<i128> {
    money::parse(text, currency.digits()).with_context(|| format!("not an amount: {text:?}"))
}
