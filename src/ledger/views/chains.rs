//! What can be read of chains: one chain with all its facts, the holds that nobody has confirmed, and the counts.

use super::HoldView;
use crate::account::{Account, Hold};
use crate::books::Ledger;
use crate::chain::name::{Kind, Named, Owner, To};
use crate::chain::{Chain, Link};
use crate::token::{Standing, TokenRecord};
use crate::{Currency, Program, Role, Seconds, Timestamp, Token, UserToken, Word};
use alloc::vec::Vec;

/// One card transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// Given by the ledger, counting up.
    pub number: u64,
    /// Whose.
    pub user: UserToken,
    /// In which currency all of its amounts are.
    pub currency: Currency,
    /// Its facts, in the order in which they came.
    pub links: Vec<LinkView>,
    /// The hold that stands for it.
    pub hold: Option<u64>,
    /// What it holds.
    pub held_minor: u64,
    /// What it has brought to the account; negative if it has taken.
    pub posted_minor: i64,
    /// What is announced and cannot be spent yet.
    pub pending_minor: u64,
    /// Nothing more will be held.
    pub closed: bool,
    /// When its hold expired here, if it did.
    pub expired: Option<Timestamp>,
    /// What is unusual about it.
    pub troubled: Troubled,
}

/// What can be unusual about chains: how many are (for one chain: 0 or 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubled {
    /// More was paid than was promised.
    pub overshoots: u64,
    /// Something was paid, and nothing was ever promised.
    pub unpromised: u64,
    /// More was taken back than there was.
    pub excesses: u64,
    /// Something was paid after the hold had expired.
    pub late: u64,
    /// A transaction was told with two contents.
    pub differing: u64,
    /// The hold expired here.
    pub expired: u64,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// Tokens of the requests for it.
    pub jits: Vec<Token>,
    /// Tokens of the transaction.
    pub transactions: Vec<Token>,
    /// What it is.
    pub role: Role,
    /// How much.
    pub minor: u64,
    /// What the processor has said last.
    pub word: Option<Word>,
    /// We said yes.
    pub approved: bool,
    /// Log time of the first news of it.
    pub at: Timestamp,
}

impl Ledger {
    /// One chain by its number.
    pub fn chain_view(&self, program: &Program, number: u64) -> Option<ChainView> {
        self.chains.get(Chain::key_of(program, &number.to_be_bytes())).map(view)
    }

    /// The chain that a funding token of this account and currency belongs to, if it has come to have one.
    pub fn chain_of_jit(
        &self,
        program: &Program,
        user: &UserToken,
        currency: Currency,
        token: &Token,
    ) -> Option<ChainView> {
        self.chain_of(Owner { program: *program, user: *user, currency }, Named::jit(*token))
    }

    /// The chain that a transaction of this account and currency belongs to, if it has come to have one.
    pub fn chain_of_transaction(
        &self,
        program: &Program,
        user: &UserToken,
        currency: Currency,
        token: &Token,
    ) -> Option<ChainView> {
        self.chain_of(Owner { program: *program, user: *user, currency }, Named::transaction(*token))
    }

    /// At most `limit` holds of a programme, that much older than the given time, that no word of the processor has
    /// confirmed: by number, after `after`. Scans.
    pub fn unconfirmed_holds(
        &self,
        program: &Program,
        older_than: Seconds,
        at: Timestamp,
        after: u64,
        limit: usize,
    ) -> Vec<(UserToken, HoldView)> {
        let accounts = self.accounts.iter().filter(|account| account.program == *program);
        let mut found: Vec<(UserToken, HoldView)> = accounts
            .flat_map(|account| {
                let old = |hold: &&Hold| hold.number > after && hold.placed_at.after(older_than) <= at;
                let holds = account.holds.iter().filter(old).filter(|hold| !self.is_hold_confirmed(account, hold));
                holds.map(|hold| (account.user, self.hold_view(account, hold)))
            })
            .collect();
        found.sort_unstable_by_key(|(_, hold)| hold.number);
        found.truncate(limit);
        found
    }

    /// How many holds in this part are that much older than the given time and not confirmed, over all programmes. Of
    /// one account the oldest [`Ledger::HOLDS_LOOKED_AT`] are looked at, so it may be more.
    pub fn count_unconfirmed(&self, part: u16, older_than: Seconds, at: Timestamp) -> u64 {
        self.count_old_unconfirmed(part, |_| older_than, at)
    }

    /// The same with what each account's programme says in its controls.
    pub fn count_orphans(&self, part: u16, at: Timestamp) -> u64 {
        self.count_old_unconfirmed(part, |program| self.settings(program).unconfirmed_after, at)
    }

    fn count_old_unconfirmed(&self, part: u16, older_than: impl Fn(&Program) -> Seconds, at: Timestamp) -> u64 {
        let unconfirmed = self.accounts.section(part).flat_map(|account| {
            let older_than = older_than(&account.program);
            let old = move |hold: &&Hold| hold.placed_at.after(older_than) <= at;
            let oldest = account.holds.iter().take(Self::HOLDS_LOOKED_AT).take_while(old);
            oldest.filter(|hold| !self.is_hold_confirmed(account, hold))
        });
        unconfirmed.count() as u64
    }

    /// The bound of [`Ledger::count_unconfirmed`] for one account.
    pub const HOLDS_LOOKED_AT: usize = 256;

    /// How many chains there are, over all programmes.
    pub fn chains_count(&self) -> u64 {
        self.chains.len()
    }

    /// How many names of the processor are known, over all programmes.
    pub fn names_count(&self) -> u64 {
        self.names.len()
    }

    /// How many chains are unusual, over all programmes.
    pub fn troubled(&self) -> Troubled {
        let tallies = self.scalars.tallies;
        Troubled {
            overshoots: tallies.overshoots,
            unpromised: tallies.unpromised,
            excesses: tallies.excesses,
            late: tallies.late,
            differing: tallies.differing,
            expired: tallies.expired,
        }
    }

    /// The number of a token's chain.
    pub(super) fn chain_number(&self, record: &TokenRecord) -> Option<u64> {
        let owner = record.asked?.owner(record.program);
        match self.lookup(&owner, Named::jit(record.token))? {
            To::Chain(number) => Some(number),
            To::Request(_) => None,
        }
    }

    pub(super) fn chain_of_hold(&self, account: &Account, hold: &Hold) -> Option<&Chain> {
        let owner = Owner { program: account.program, user: account.user, currency: hold.currency };
        let names = [Named::jit(hold.token), Named::transaction(hold.token)];
        let chains = names.into_iter().filter_map(|name| match self.lookup(&owner, name) {
            Some(To::Chain(number)) => self.chain(&owner, number),
            Some(To::Request(_)) | None => None,
        });
        chains.into_iter().find(|chain| chain.hold == Some(hold.number))
    }

    /// A request alone has never been confirmed; a chain is if one of its promises is.
    fn is_hold_confirmed(&self, account: &Account, hold: &Hold) -> bool {
        let record = self.tokens.get(TokenRecord::key_of(&account.program, &hold.token));
        let alone = record.is_some_and(|record| record.standing == Standing::Held { hold: hold.number });
        let chain = self.chain_of_hold(account, hold).filter(|_| !alone);
        chain.is_some_and(|chain| chain.links.iter().any(Link::confirmed))
    }

    fn chain_of(&self, owner: Owner, name: Named) -> Option<ChainView> {
        let number = match self.lookup(&owner, name)? {
            To::Chain(number) => number,
            To::Request(token) => match self.lookup(&owner, Named::jit(token))? {
                To::Chain(number) => number,
                To::Request(_) => return None,
            },
        };
        self.chain(&owner, number).map(view)
    }
}

fn view(chain: &Chain) -> ChainView {
    let target = chain.target;
    ChainView {
        number: chain.number(),
        user: chain.user,
        currency: chain.currency,
        links: chain.links.iter().map(link_view).collect(),
        hold: chain.hold,
        held_minor: target.held_minor,
        posted_minor: target.posted_minor,
        pending_minor: target.pending_minor,
        closed: target.closed,
        expired: chain.expired,
        troubled: Troubled {
            overshoots: u64::from(target.overshoot),
            unpromised: u64::from(target.unpromised),
            excesses: u64::from(target.excess),
            late: u64::from(chain.late),
            differing: u64::from(chain.differs),
            expired: u64::from(chain.expired.is_some()),
        },
    }
}

fn link_view(link: &Link) -> LinkView {
    let of = |kind: Kind| link.names.iter().filter(move |name| name.kind == kind).map(|name| name.token).collect();
    LinkView {
        jits: of(Kind::Jit),
        transactions: of(Kind::Transaction),
        role: link.role,
        minor: link.minor,
        word: link.word,
        approved: link.approved,
        at: link.at,
    }
}
