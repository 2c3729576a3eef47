//! The cluster, as the processor and an operator see it.
//!
//! What must hold: every wait has a bound. A report that is answered with 503 is sent again, as the processor does it;
//! a request never is, for its answer is what is compared.

use super::access::Access;
use super::scenario::{Account, Letter, Order, Path, Then};
use crate::ctl::{Client, Endpoint, Failure, KEYED, Nodes, ORDER, READ};
use crate::exchange::{self, Answer};
use ledger::Program;
use proto::admin::v1 as wire;
use std::io;
use std::time::Duration;
use tls::Protocol;
use tokio::time::Instant;

/// The processor waits for 3 s; a report's deadline is longer than a request's.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a report is sent again: longer than a change of the leader takes.
const REPORT_MAX: Duration = Duration::from_secs(20);
const REPORT_PAUSE: Duration = Duration::from_millis(200);
/// Letters of a page, and how many of the newest are looked into.
const PAGE: u32 = 1000;
const LETTERS_MAX: usize = 32;

/// A cluster.
pub(super) struct Target {
    urls: Vec<Endpoint>,
    posts: usize,
    tls: Option<tls::Client>,
    nodes: Nodes,
    access: Access,
    program: String,
}

impl Target {
    pub(super) fn new(urls: Vec<Endpoint>, nodes: Nodes, access: Access, program: Program) -> Target {
        let tls = nodes.tls().map(|client| client.speaking(Protocol::Http1));
        Target { urls, posts: 0, tls, nodes, access, program: program.as_str().to_owned() }
    }

    /// Posts a message to the node whose turn it is.
    pub(super) async fn post(&mut self, path: Path, body: &str) -> Result<Answer, Failure> {
        let until = Instant::now() + REPORT_MAX;
        loop {
            let answer = self.post_once(path, body).await?;
            if path == Path::Jit || answer.status != 503 || Instant::now() >= until {
                return Ok(answer);
            }
            tokio::time::sleep(REPORT_PAUSE).await;
        }
    }

    async fn post_once(&mut self, path: Path, body: &str) -> Result<Answer, Failure> {
        let turn = self.posts % self.urls.len().max(1);
        self.posts += 1;
        let url = self.urls.get(turn).ok_or_else(|| Failure::Usage("--url: there is none".to_owned()))?;
        let tls = self.tls.as_ref().filter(|_| url.in_tls());
        let url = url.to_string();
        let headers = self.access.headers(path, body);
        let request = exchange::Request { method: "POST", path: path.text(), headers: &headers, body };
        exchange::ask(url.as_str(), tls, &request, ANSWER_MAX).await.map_err(|error| {
            let why = format!("{url}: {error}");
            match error.kind() {
                io::ErrorKind::ConnectionRefused => Failure::Unavailable(why),
                _ => Failure::Unknown(why),
            }
        })
    }

    /// Opens accounts; all of them must be new.
    pub(super) async fn open(&mut self, accounts: &[Account]) -> Result<(), Failure> {
        let opening = |account: &Account| wire::Opening {
            user_token: account.user_token.clone(),
            currency: account.currency.clone(),
            credit: account.opening.clone(),
        };
        let openings: Vec<_> = accounts.iter().map(opening).collect();
        let request = wire::OpenAccountsRequest { program: self.program.clone(), openings };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.open_accounts(request).await }
        };
        // Asked a second time after a lost answer, they have been there.
        self.nodes.call(KEYED, ask).await.map(drop)
    }

    /// An account's money.
    pub(super) async fn balances(&mut self, user_token: &str) -> Result<Vec<wire::Balance>, Failure> {
        let (program, user_token) = (self.program.clone(), user_token.to_owned());
        let request = wire::ShowAccountRequest { program, user_token, stale: false };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.show_account(request).await }
        };
        let account = self.nodes.call(READ, ask).await?.account;
        account.map(|account| account.balances).ok_or_else(|| Failure::Unknown("an answer without account".to_owned()))
    }

    /// Orders something for an account.
    pub(super) async fn order(&mut self, user_token: &str, order: Order) -> Result<(), Failure> {
        let status = match order {
            Order::Freeze => wire::AccountStatus::Frozen,
            Order::Unfreeze => wire::AccountStatus::Active,
            Order::Close => wire::AccountStatus::Closed,
        };
        let (program, user_token) = (self.program.clone(), user_token.to_owned());
        let request = wire::SetAccountStatusRequest { program, user_token, status: status.into() };
        let ask = |mut client: Client| {
            let request = request.clone();
            async move { client.set_account_status(request).await }
        };
        self.nodes.call(ORDER, ask).await.map(drop)
    }

    /// Finds a dead letter by what its item has in it, among the newest.
    pub(super) async fn find_letter(&mut self, contains: &str) -> Result<Option<wire::DeadLetter>, Failure> {
        let mut newest: Vec<wire::DeadLetter> = Vec::new();
        let mut after_us = 0;
        loop {
            let program = self.program.clone();
            let request = wire::ListDeadLettersRequest { program, after_us, limit: PAGE, stale: false };
            let ask = |mut client: Client| {
                let request = request.clone();
                async move { client.list_dead_letters(request).await }
            };
            let page = self.nodes.call(READ, ask).await?;
            newest.extend(page.letters);
            newest.drain(..newest.len().saturating_sub(LETTERS_MAX));
            match newest.last() {
                Some(last) if page.more && last.kept_at_us > after_us => after_us = last.kept_at_us,
                Some(_) | None => break,
            }
        }
        for letter in newest.into_iter().rev() {
            let request = wire::DeadLetterRequest { program: self.program.clone(), id: letter.id };
            let ask = |mut client: Client| {
                let request = request.clone();
                async move { client.show_dead_letter(request).await }
            };
            match self.nodes.call(READ, ask).await {
                Ok(whole) if String::from_utf8_lossy(&whole.item).contains(contains) => return Ok(Some(whole)),
                // Somebody else has dealt with it since.
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    /// Deals with a dead letter. The effect, if it was booked.
    pub(super) async fn settle_letter(&mut self, id: String, letter: &Letter) -> Result<Option<String>, Failure> {
        let program = self.program.clone();
        match letter.then {
            Then::Drop => {
                let request = wire::DeadLetterRequest { program, id };
                let ask = |mut client: Client| {
                    let request = request.clone();
                    async move { client.drop_dead_letter(request).await }
                };
                self.nodes.call(KEYED, ask).await.map(|_| None)
            }
            Then::Replay(_) => {
                let request = wire::ReplayDeadLetterRequest { program, id, item: Vec::new().into() };
                let ask = |mut client: Client| {
                    let request = request.clone();
                    async move { client.replay_dead_letter(request).await }
                };
                self.nodes.call(KEYED, ask).await.map(|answer| Some(answer.effect))
            }
        }
    }
}
