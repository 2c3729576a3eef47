//! The commands on accounts and their money.

use super::answer::{self, Account, Answer, Hold};
use super::nodes::{Client, KEYED, Nodes, ORDER, READ};
use super::{Failure, command, controls, events, import};
use ledger::{Amount, Currency, Program, Seconds, Token, UserToken};
use proto::admin::v1 as wire;
use serde_json::json;

/// Rows of one call.
const PAGE: usize = 1000;

pub(super) async fn run(command: command::Account, program: Program, mut nodes: Nodes) -> Result<Answer, Failure> {
    use command::Account::{Close, Credit, Debit, Freeze, Holds, Import, Journal, Limits, List, Open, Show, Unfreeze};
    let program = program.as_str().to_owned();
    match command {
        Open { user, currency, credit } => open(&mut nodes, program, user.user, currency, credit).await,
        Show { user, freshness } => {
            let user_token = user.user.as_str().to_owned();
            show(&mut nodes, wire::ShowAccountRequest { program, user_token, stale: freshness.stale }).await
        }
        List { prefix, after, rows, freshness } => {
            let first = wire::ListAccountsRequest {
                program,
                user_prefix: prefix,
                after,
                limit: rows.limit,
                stale: freshness.stale,
            };
            list(&mut nodes, first).await
        }
        Credit(movement) => move_money(&mut nodes, program, movement, wire::Direction::Credit).await,
        Debit(movement) => move_money(&mut nodes, program, movement, wire::Direction::Debit).await,
        Freeze(user) => set_status(&mut nodes, program, user.user, wire::AccountStatus::Frozen).await,
        Unfreeze(user) => set_status(&mut nodes, program, user.user, wire::AccountStatus::Active).await,
        Close(user) => set_status(&mut nodes, program, user.user, wire::AccountStatus::Closed).await,
        Holds { user: _, unconfirmed_for: Some(Seconds(older_than_s)), after, rows, freshness } => {
            let (limit, stale) = (rows.limit, freshness.stale);
            unconfirmed(&mut nodes, wire::ListUnconfirmedHoldsRequest { program, older_than_s, after, limit, stale })
                .await
        }
        Holds { user, unconfirmed_for: None, after, rows, freshness } => {
            // Required by the command line.
            let user_token = user.map(|user| user.as_str().to_owned()).unwrap_or_default();
            let first =
                wire::ListHoldsRequest { program, user_token, after, limit: rows.limit, stale: freshness.stale };
            holds(&mut nodes, first).await
        }
        Journal { user, begin, rows } => {
            let user_token = user.user.as_str().to_owned();
            let (from_index, since_us, limit) = (begin.from, begin.since_us(), rows.limit);
            let first = wire::ListJournalRequest { program, user_token, from_index, since_us, limit };
            events::journal(&mut nodes, first).await
        }
        Limits { user, card, product, freshness } => {
            let text = |token: Option<Token>| token.map(|token| token.as_str().to_owned()).unwrap_or_default();
            let request = wire::ListLimitsRequest {
                program,
                user_token: user.user.as_str().to_owned(),
                card_token: text(card),
                card_product_token: text(product),
                stale: freshness.stale,
            };
            controls::limits(&mut nodes, request).await
        }
        Import { file } => import::run(&mut nodes, program, file).await,
    }
}

/// Money as it was typed: checked here, so that a slip is a usage error that names the argument.
pub(super) fn amount(name: &str, text: &str, currency: Currency) -> Result<Amount, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{name}: {text} {why}"));
    if text.starts_with('-') {
        return Err(wrong("is negative: money from an account is a debit".to_owned()));
    }
    Amount::parse(text, currency).map_err(|error| wrong(format!("{error} ({})", currency.code())))
}

async fn open(
    nodes: &mut Nodes,
    program: String,
    user: UserToken,
    currency: Currency,
    credit: Option<String>,
) -> Result<Answer, Failure> {
    let credit = credit.map(|text| amount("--credit", &text, currency)).transpose()?;
    let (user, code) = (user.as_str(), currency.code());
    let opening = wire::Opening {
        user_token: user.to_owned(),
        currency: code.to_owned(),
        credit: credit.map(|credit| credit.to_string()).unwrap_or_default(),
    };
    let request = wire::OpenAccountsRequest { program: program.clone(), openings: vec![opening] };
    let opened = open_accounts(nodes, &request).await?.opened > 0;
    let document = json!({ "user_token": user, "program": program, "currency": code, "opened": opened });
    let text = match (opened, credit) {
        (true, Some(credit)) => format!("opened {user} with {credit} {code}\n"),
        (true, None) => format!("opened {user} in {code}\n"),
        (false, _) => format!("{user} was there already and is left as it is; nothing was credited\n"),
    };
    Answer::done(&document, text)
}

/// Opening is idempotent by user token and currency.
pub(super) async fn open_accounts(
    nodes: &mut Nodes,
    request: &wire::OpenAccountsRequest,
) -> Result<wire::OpenAccountsResponse, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.open_accounts(request).await }
    };
    nodes.call(KEYED, ask).await
}

async fn show(nodes: &mut Nodes, request: wire::ShowAccountRequest) -> Result<Answer, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.show_account(request).await }
    };
    let account = one(nodes.call(READ, ask).await?, None)?;
    Answer::done(&account, account.text())
}

async fn move_money(
    nodes: &mut Nodes,
    program: String,
    movement: command::Movement,
    direction: wire::Direction,
) -> Result<Answer, Failure> {
    let amount = amount("AMOUNT", &movement.amount, movement.currency)?;
    let request = wire::MoveMoneyRequest {
        program,
        user_token: movement.user.user.as_str().to_owned(),
        key: movement.key.as_str().to_owned(),
        direction: direction.into(),
        amount: amount.to_string(),
        currency: movement.currency.code().to_owned(),
    };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.move_money(request).await }
    };
    changed(nodes.call(KEYED, ask).await?)
}

async fn set_status(
    nodes: &mut Nodes,
    program: String,
    user: UserToken,
    status: wire::AccountStatus,
) -> Result<Answer, Failure> {
    let user_token = user.as_str().to_owned();
    let request = wire::SetAccountStatusRequest { program, user_token, status: status.into() };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.set_account_status(request).await }
    };
    changed(nodes.call(ORDER, ask).await?)
}

/// The account after a change.
fn changed(response: wire::AccountResponse) -> Result<Answer, Failure> {
    let replayed = Some(response.replayed);
    let account = one(response, replayed)?;
    Answer::done(&account, account.text())
}

fn one(response: wire::AccountResponse, replayed: Option<bool>) -> Result<Account, Failure> {
    let account = response.account.ok_or_else(|| Failure::Unknown("the answer has no account in it".to_owned()))?;
    Ok(Account::new(account, replayed))
}

async fn list(nodes: &mut Nodes, first: wire::ListAccountsRequest) -> Result<Answer, Failure> {
    let (accounts, more) = pages(first.limit, async |last: Option<&wire::Account>, limit| {
        let after = last.map_or_else(|| first.after.clone(), |last| last.user_token.clone());
        let request = wire::ListAccountsRequest { after, limit, ..first.clone() };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.list_accounts(request).await }
        };
        let found = nodes.call(READ, ask).await?;
        Ok((found.accounts, found.more))
    })
    .await?;
    let accounts: Vec<Account> = accounts.into_iter().map(|account| Account::new(account, None)).collect();
    let text = answer::accounts_text(&accounts) + rest(more);
    Answer::done(&json!({ "accounts": accounts, "more": more }), text)
}

async fn holds(nodes: &mut Nodes, first: wire::ListHoldsRequest) -> Result<Answer, Failure> {
    let (holds, more) = pages(first.limit, async |last: Option<&wire::Hold>, limit| {
        let after = last.map_or(first.after, |last| last.number);
        let request = wire::ListHoldsRequest { after, limit, ..first.clone() };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.list_holds(request).await }
        };
        let found = nodes.call(READ, ask).await?;
        Ok((found.holds, found.more))
    })
    .await?;
    let holds: Vec<Hold> = holds.into_iter().map(Hold::from).collect();
    let text = answer::holds_text(&holds) + rest(more);
    Answer::done(&json!({ "user_token": first.user_token, "holds": holds, "more": more }), text)
}

/// The same over all accounts.
async fn unconfirmed(nodes: &mut Nodes, first: wire::ListUnconfirmedHoldsRequest) -> Result<Answer, Failure> {
    let (holds, more) = pages(first.limit, async |last: Option<&wire::Hold>, limit| {
        let after = last.map_or(first.after, |last| last.number);
        let request = wire::ListUnconfirmedHoldsRequest { after, limit, ..first.clone() };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.list_unconfirmed_holds(request).await }
        };
        let found = nodes.call(READ, ask).await?;
        Ok((found.holds, found.more))
    })
    .await?;
    let holds: Vec<Hold> = holds.into_iter().map(Hold::from).collect();
    let text = answer::holds_text(&holds) + rest(more);
    Answer::done(&json!({ "unconfirmed_for_s": first.older_than_s, "holds": holds, "more": more }), text)
}

/// Page after page until there are enough rows: what is asked for follows the last row so far, and has a limit. The
/// rows, and whether there are more.
async fn pages<T>(
    limit: u32,
    mut ask: impl AsyncFnMut(Option<&T>, u32) -> Result<(Vec<T>, bool), Failure>,
) -> Result<(Vec<T>, bool), Failure> {
    let limit = limit as usize;
    let (mut rows, mut more) = (Vec::new(), true);
    while more && rows.len() < limit {
        let page = (limit - rows.len()).min(PAGE) as u32;
        let (found, further) = ask(rows.last(), page).await?;
        more = further && !found.is_empty();
        rows.extend(found);
    }
    Ok((rows, more))
}

fn rest(more: bool) -> &'static str {
    if more { "there are more: see --limit and --after\n" } else { "" }
}
