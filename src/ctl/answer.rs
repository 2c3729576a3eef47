//! What is printed when a command was done: once for people, once for programs.
//!
//! What must hold: the JSON shapes change only by adding.

use super::{Failure, time};
use proto::admin::v1 as wire;
use serde::Serialize;
use std::collections::BTreeMap;

/// An answer in both forms, and the exit code.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) json: String,
    pub(crate) exit: u8,
}

impl Answer {
    pub(crate) fn done(document: &impl Serialize, text: String) -> Result<Answer, Failure> {
        let json = serde_json::to_string(document);
        let json = json.map_err(|error| Failure::Unknown(format!("write the answer as JSON: {error}")))?;
        Ok(Answer { text, json, exit: 0 })
    }
}

/// An account as JSON.
#[derive(Serialize)]
pub(super) struct Account {
    user_token: String,
    program: String,
    status: &'static str,
    balances: BTreeMap<String, Balance>,
    holds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
}

#[derive(Serialize)]
struct Balance {
    posted: String,
    held: String,
    available: String,
}

impl Account {
    /// `replayed` only where something was asked to change.
    pub(super) fn new(account: wire::Account, replayed: Option<bool>) -> Account {
        let status = match account.status() {
            wire::AccountStatus::Active => "active",
            wire::AccountStatus::Frozen => "frozen",
            wire::AccountStatus::Closed => "closed",
            wire::AccountStatus::Unspecified => "unknown",
        };
        let balances = account
            .balances
            .into_iter()
            .map(|of| (of.currency, Balance { posted: of.posted, held: of.held, available: of.available }));
        Account {
            user_token: account.user_token,
            program: account.program,
            status,
            balances: balances.collect(),
            holds: account.holds,
            replayed,
        }
    }

    /// One account in full.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "user     {}\nprogram  {}\nstatus   {}\nholds    {}\n",
            self.user_token, self.program, self.status, self.holds
        );
        if self.replayed == Some(true) {
            text.push_str("nothing had to change: it was done before\n");
        }
        let rows = self
            .balances
            .iter()
            .map(|(currency, of)| vec![currency.clone(), of.posted.clone(), of.held.clone(), of.available.clone()]);
        let head =
            [Column::Left("CURRENCY"), Column::Right("POSTED"), Column::Right("HELD"), Column::Right("AVAILABLE")];
        text.push('\n');
        text.push_str(&table(&head, rows.collect()));
        text
    }
}

/// Many accounts, a line for each currency.
pub(super) fn accounts_text(accounts: &[Account]) -> String {
    let head = [
        Column::Left("USER"),
        Column::Left("STATUS"),
        Column::Right("HOLDS"),
        Column::Left("CURRENCY"),
        Column::Right("POSTED"),
        Column::Right("HELD"),
        Column::Right("AVAILABLE"),
    ];
    let rows = accounts.iter().flat_map(|account| {
        account.balances.iter().map(|(currency, of)| {
            let (user, status) = (account.user_token.clone(), account.status.to_owned());
            let (posted, held) = (of.posted.clone(), of.held.clone());
            vec![user, status, account.holds.to_string(), currency.clone(), posted, held, of.available.clone()]
        })
    });
    table(&head, rows.collect())
}

/// A hold as JSON.
#[derive(Serialize)]
pub(super) struct Hold {
    number: u64,
    token: String,
    amount: String,
    currency: String,
    placed_at_us: u64,
    forced: bool,
    conflict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_us: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    user_token: String,
}

impl From<wire::Hold> for Hold {
    fn from(hold: wire::Hold) -> Hold {
        let wire::Hold { number, token, amount, currency, placed_at_us, forced, conflict, expires_at_us, user_token } =
            hold;
        let expires_at_us = Some(expires_at_us).filter(|at| *at > 0);
        Hold { number, token, amount, currency, placed_at_us, forced, conflict, expires_at_us, user_token }
    }
}

/// Many holds.
pub(super) fn holds_text(holds: &[Hold]) -> String {
    let head = [
        Column::Right("NUMBER"),
        Column::Left("TOKEN"),
        Column::Right("AMOUNT"),
        Column::Left("CURRENCY"),
        Column::Left("PLACED AT"),
        Column::Left("EXPIRES AT"),
        Column::Left("USER"),
        Column::Left("MARKS"),
    ];
    let rows = holds.iter().map(|hold| {
        let marks = [(hold.forced, "forced"), (hold.conflict, "conflict")];
        let marks: Vec<_> = marks.into_iter().filter_map(|(stands, mark)| stands.then_some(mark)).collect();
        let (token, amount) = (hold.token.clone(), hold.amount.clone());
        let (placed_at, expires_at) = (time::utc(hold.placed_at_us), hold.expires_at_us.map(time::utc));
        let (number, currency, user) = (hold.number.to_string(), hold.currency.clone(), hold.user_token.clone());
        vec![number, token, amount, currency, placed_at, expires_at.unwrap_or_default(), user, marks.join(" ")]
    });
    table(&head, rows.collect())
}

/// A column's title, and the side that its cells stand on.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Left(&'static str),
    Right(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Column::Left(title) | Column::Right(title) => title,
        }
    }
}

/// Aligned columns under their titles, two spaces apart.
pub(super) fn table(head: &[Column], rows: Vec<Vec<String>>) -> String {
    let titles = head.iter().map(|column| column.title().to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let width = |place: usize| rows.iter().filter_map(|row| row.get(place)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = head.iter().zip(&widths).zip(row).map(|((column, width), cell)| match column {
            Column::Left(_) => format!("{cell:<width$}"),
            Column::Right(_) => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
