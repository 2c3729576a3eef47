//! What can be read. Nothing here changes anything; what scans is meant for a frozen copy.

mod chains;

pub use chains::{ChainView, LinkView, Troubled};

use crate::account::{Account, Hold};
use crate::books::Ledger;
use crate::chain::Chain;
use crate::token::{Asked, Standing, TokenRecord};
use crate::{AccountView, Amount, Currency, JudgedView, Program, RequestKind, Timestamp, Token, UserToken, Verdict};
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

/// A hold that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// Given by the ledger, counting up.
    pub number: u64,
    /// For which token.
    pub token: Token,
    /// How much.
    pub amount: Amount,
    /// Log time.
    pub placed_at: Timestamp,
    /// When it expires, if it does; log time.
    pub expires_at: Option<Timestamp>,
    /// The chain that it stands for; none while its request is alone.
    pub chain: Option<u64>,
    /// A node approved the token alone.
    pub forced: bool,
    /// Somebody was told no.
    pub conflict: bool,
}

/// What stands for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// Approved, and this hold stands.
    Held {
        /// Its number.
        hold: u64,
    },
    /// Approved without a hold.
    Approved,
    /// Declined.
    Declined,
    /// Voided, perhaps before it came.
    Closed,
    /// Approved, and what stands for it is in this chain.
    Linked {
        /// Its number.
        chain: u64,
    },
}

/// What is remembered of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// What a new attempt would be told.
    pub verdict: Verdict,
    /// Log time of the first command that named it.
    pub at: Timestamp,
    /// What was asked; a tombstone does not know.
    pub kind: Option<RequestKind>,
    /// Whose account; a tombstone does not know.
    pub user: Option<UserToken>,
    /// How much; a tombstone does not know.
    pub amount: Option<Amount>,
    /// What stands.
    pub status: TokenStatus,
    /// A node approved it alone.
    pub forced: bool,
    /// A hold stands although somebody was told no.
    pub conflict: bool,
    /// An approval given alone has no hold: an operator decides.
    pub impossible: bool,
    /// What the rules said of it; none if none fired and none counts it.
    pub judged: Option<JudgedView>,
}

/// Sums in one currency over many accounts: more than 64 bits can hold, if only just.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Which currency.
    pub currency: Currency,
    /// What has been booked.
    pub posted_minor: i128,
    /// What is promised.
    pub held_minor: i128,
}

impl Total {
    /// Posted less held.
    pub fn available_minor(&self) -> i128 {
        self.posted_minor - self.held_minor
    }
}

/// Sums over a set of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// By currency code.
    pub totals: Vec<Total>,
    /// How many accounts.
    pub accounts: u64,
    /// How many holds.
    pub holds: u64,
}

impl Ledger {
    /// Log time of the last command.
    pub fn now(&self) -> Timestamp {
        self.scalars.now
    }

    /// One account.
    pub fn account(&self, program: &Program, user: &UserToken) -> Option<AccountView> {
        self.accounts.get(Account::key_of(program, user)).map(Account::view)
    }

    /// At most `limit` accounts whose user token begins with `prefix`, by user token, after `after`. Scans.
    pub fn accounts_from(
        &self,
        program: &Program,
        prefix: &str,
        after: Option<UserToken>,
        limit: usize,
    ) -> Vec<AccountView> {
        // The smallest so far; the largest of them is on top and makes room.
        let mut page = BinaryHeap::new();
        for account in self.matching(program, prefix) {
            if after.is_some_and(|after| account.user <= after) {
                continue;
            }
            page.push(account.user);
            if page.len() > limit {
                page.pop();
            }
        }
        page.into_sorted_vec().iter().filter_map(|user| self.account(program, user)).collect()
    }

    /// At most `limit` holds of an account with numbers above `after`, by number.
    pub fn holds(&self, program: &Program, user: &UserToken, after: u64, limit: usize) -> Vec<HoldView> {
        let Some(account) = self.accounts.get(Account::key_of(program, user)) else {
            return Vec::new();
        };
        let from = account.holds.partition_point(|hold| hold.number <= after);
        let page = account.holds.iter().skip(from).take(limit);
        page.map(|hold| self.hold_view(account, hold)).collect()
    }

    fn hold_view(&self, account: &Account, hold: &Hold) -> HoldView {
        let token = self.tokens.get(TokenRecord::key_of(&account.program, &hold.token));
        HoldView {
            number: hold.number,
            token: hold.token,
            amount: hold.amount(),
            placed_at: hold.placed_at,
            expires_at: hold.expiry(),
            chain: self.chain_of_hold(account, hold).map(Chain::number),
            forced: token.is_some_and(TokenRecord::forced),
            conflict: token.is_some_and(|token| token.troubles().conflict),
        }
    }

    /// Sums over the accounts whose user token begins with `prefix`. Scans.
    pub fn totals(&self, program: &Program, prefix: &str) -> Books {
        let mut books = Books::default();
        for account in self.matching(program, prefix) {
            books.accounts += 1;
            books.holds += account.holds.len() as u64;
            for balance in account.balances() {
                let currency = balance.currency;
                let found = books.totals.binary_search_by(|total| total.currency.code().cmp(currency.code()));
                let at = found.unwrap_or_else(|at| {
                    books.totals.insert(at, Total { currency, posted_minor: 0, held_minor: 0 });
                    at
                });
                books.totals[at].posted_minor += i128::from(balance.posted_minor);
                books.totals[at].held_minor += i128::from(balance.held_minor);
            }
        }
        books
    }

    /// How many accounts there are, over all programmes.
    pub fn accounts_count(&self) -> u64 {
        self.accounts.len()
    }

    /// How many holds stand, over all programmes.
    pub fn holds_count(&self) -> u64 {
        self.scalars.holds
    }

    /// How many of the processor's tokens are remembered, over all programmes.
    pub fn tokens_count(&self) -> u64 {
        self.tokens.len()
    }

    /// How many keys of operators' movements are remembered, over all programmes.
    pub fn movements_count(&self) -> u64 {
        self.movements.len()
    }

    /// How many holds stand although somebody was told no.
    pub fn conflicts_count(&self) -> u64 {
        self.scalars.conflicts
    }

    /// How many approvals given alone have no hold, because there was nowhere to place it.
    pub fn impossible_count(&self) -> u64 {
        self.scalars.impossible
    }

    /// What is remembered of a processor's token.
    pub fn token(&self, program: &Program, token: &Token) -> Option<TokenView> {
        let record = self.tokens.get(TokenRecord::key_of(program, token))?;
        let troubles = record.troubles();
        Some(TokenView {
            verdict: record.verdict(),
            at: record.at,
            kind: record.asked.map(|asked| asked.kind),
            user: record.asked.map(|asked| asked.user),
            amount: record.asked.as_ref().map(Asked::amount),
            status: match record.standing {
                Standing::Held { hold } => TokenStatus::Held { hold },
                Standing::Approved => TokenStatus::Approved,
                Standing::Declined => TokenStatus::Declined,
                Standing::Closed => TokenStatus::Closed,
                // A linked token leads to its chain; see the audit.
                Standing::Linked => TokenStatus::Linked { chain: self.chain_number(record).unwrap_or_default() },
            },
            forced: record.forced(),
            conflict: troubles.conflict,
            impossible: troubles.impossible,
            judged: record.judged().map(|judged| self.judged_view(program, judged)),
        })
    }

    fn matching<'a>(&'a self, program: &'a Program, prefix: &'a str) -> impl Iterator<Item = &'a Account> {
        let of = move |account: &&Account| {
            account.program == *program && account.user.as_bytes().starts_with(prefix.as_bytes())
        };
        self.accounts.iter().filter(of)
    }
}
