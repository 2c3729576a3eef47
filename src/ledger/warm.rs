//! What a batch will look at, fetched into the processor's caches before its first command is applied.
//!
//! A command finds its records by hashes, so each look is a chain of places that no cache has, one after the other. The
//! chains of different commands know nothing of each other: walked side by side, step by step, memory serves them at
//! once.
//!
//! **What must hold.** Nothing: whatever is fetched or left out, the books and all answers are the same. It changes
//! nothing, and it is bounded by [`LANES`] looks at a time.

use crate::account::Account;
use crate::books::Ledger;
use crate::chain::name::{Name, Named};
use crate::controls::of_account;
use crate::parts::{Keyed, Parts};
use crate::token::TokenRecord;
use crate::{Authorize, Command};

/// Looks side by side: more than memory serves at once, few enough to stay in the nearest cache until they are used.
const LANES: usize = 64;

impl Ledger {
    /// Fetches what these commands will look at. Worth it for a few dozen at a time, shortly before they are applied.
    pub fn warm(&self, commands: &[Command]) {
        let requests = || {
            commands.iter().filter_map(|command| match command {
                Command::Authorize(request) | Command::Force(request) => Some(request),
                Command::Void(_)
                | Command::Open(_)
                | Command::Move(_)
                | Command::SetStatus(_)
                | Command::Event(_)
                | Command::Sweep(_)
                | Command::Shelve(_)
                | Command::DropLetter(_)
                | Command::SetControls(_)
                | Command::SetParty(_)
                | Command::Forget(_)
                | Command::Restored(_)
                | Command::Reconciled(_) => None,
            })
        };
        let account = |request: &Authorize| Account::key_of(&request.program, &request.user).hash();
        let token = |request: &Authorize| TokenRecord::key_of(&request.program, &request.token).hash();
        let name = |request: &Authorize, name| {
            let key = request.owner().key_of(name);
            Name::lookup(&request.program, key.as_bytes()).hash()
        };
        warm(&self.accounts, requests().map(account));
        warm(&self.tokens, requests().map(token));
        if self.usages.len() > 0 {
            let usage = |request: &Authorize| of_account(&request.user).key(&request.program).hash();
            warm(&self.usages, requests().map(usage));
        }
        warm(&self.names, requests().map(|request| name(request, Named::jit(request.token))));
        let transactions = requests().filter_map(|request| Some((request, Named::transaction(request.transaction?))));
        warm(&self.names, transactions.map(|(request, transaction)| name(request, transaction)));
    }
}

fn warm<R: Keyed>(parts: &Parts<R>, mut hashes: impl Iterator<Item = u64>) {
    loop {
        let mut lanes = [0; LANES];
        let mut used = 0;
        for (lane, hash) in lanes.iter_mut().zip(hashes.by_ref()) {
            *lane = hash;
            used += 1;
        }
        if used == 0 {
            return;
        }
        parts.warm::<LANES>(&lanes[..used]);
    }
}
