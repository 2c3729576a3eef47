//! The audit: is the whole state as it must be?
//!
//! **What must hold.** Everything that is kept twice says the same: an account's held and its holds, the totals and
//! the accounts, a token and its hold, the counts and what is counted. Reads only; scans, so it is for a frozen copy.

mod chains;
mod violation;

pub use violation::Violation;

use crate::account::{Account, Hold};
use crate::books::Ledger;
use crate::chain::name::Owner;
use crate::postings::{Sums, Totals, in_range};
use crate::token::{Standing, TokenRecord};
use alloc::vec::Vec;

/// The first so many are enough to know.
const VIOLATIONS_MAX: usize = 100;

impl Ledger {
    /// Looks at everything. Empty if all is well; at most 100 entries otherwise. Scans.
    pub fn check(&self) -> Vec<Violation> {
        let mut violations = self.check_records();
        let orphans = self.accounts.iter().flat_map(|account| self.orphans(account));
        violations.extend(orphans.take(VIOLATIONS_MAX));
        for (of, found) in [
            ("misplaced accounts", self.accounts.misplaced()),
            ("misplaced tokens", self.tokens.misplaced()),
            ("misplaced movements", self.movements.misplaced()),
            ("misplaced chains", self.chains.misplaced()),
            ("misplaced names", self.names.misplaced()),
            ("misplaced letters", self.letters.misplaced()),
            ("misplaced programmes", self.programmes.misplaced()),
            ("misplaced usages", self.usages.misplaced()),
            ("misplaced cards and users", self.parties.misplaced()),
        ] {
            violations.extend(count(of, 0, found));
        }
        violations.truncate(VIOLATIONS_MAX);
        violations
    }

    /// What a restore must see: each record passed once, with one look-up for each held token. Tokens have different
    /// holds, and there are as many holds as held tokens and holding chains, so that no hold is left without its token.
    pub(crate) fn check_records(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let (mut accounts, mut holds, mut tokens, mut held, mut conflicts, mut impossible) = (0, 0, 0, 0, 0, 0);
        let mut sums = Totals::default();
        for kept in &self.scalars.totals.0 {
            sums.of(kept.currency);
        }
        for account in self.accounts.iter() {
            accounts += 1;
            holds += account.holds.len() as u64;
            add(&mut violations, self.check_account(account));
            for purse in &account.purses {
                let sums = sums.of(purse.currency);
                sums.available += i128::from(purse.available_minor);
                sums.held += i128::from(purse.held_minor);
            }
        }
        for token in self.tokens.iter() {
            let troubles = token.troubles();
            tokens += 1;
            held += u64::from(matches!(token.standing, Standing::Held { .. }));
            conflicts += u64::from(troubles.conflict);
            impossible += u64::from(troubles.impossible);
            add(&mut violations, self.check_token_hold(token));
        }
        held += self.chains.iter().filter(|chain| chain.hold.is_some()).count() as u64;
        add(&mut violations, self.check_chains());
        add(&mut violations, sums.0.iter().flat_map(|found| self.check_totals(found)));
        let movements = self.movements.iter().count() as u64;
        let letters = self.letters.iter().filter(|letter| letter.letter.fits()).count() as u64;
        let usages = self.usages.iter().filter(|usage| usage.is_sound()).count() as u64;
        for (of, kept, found) in [
            ("holds", self.scalars.holds, holds),
            ("held tokens", self.scalars.holds, held),
            ("conflicts", self.scalars.conflicts, conflicts),
            ("impossible forces", self.scalars.impossible, impossible),
            ("accounts", self.accounts.len(), accounts),
            ("tokens", self.tokens.len(), tokens),
            ("movements", self.movements.len(), movements),
            ("dead letters", self.letters.len(), letters),
            ("usages", self.usages.len(), usages),
            ("cards and users", self.parties.len(), self.parties.iter().count() as u64),
        ] {
            add(&mut violations, count(of, kept, found));
        }
        violations
    }

    fn check_account(&self, account: &Account) -> Vec<Violation> {
        let (program, user) = (account.program, account.user);
        let code = |at: usize| account.purses.get(at).map(|purse| purse.currency.code());
        let purses = (1..account.purses.len()).all(|at| code(at - 1) < code(at));
        let numbers = account.holds.is_sorted_by(|left, right| left.number < right.number);
        let given = account.holds.last().is_none_or(|hold| hold.number <= self.scalars.last_hold);
        let known = account.holds.iter().all(|hold| account.purse(hold.currency).is_some());
        let timed = account.holds.iter().all(|hold| hold.expiry().is_none_or(|expiry| account.next_expiry <= expiry));
        let mut violations = Vec::new();
        if !(purses && numbers && given && known && timed) {
            violations.push(Violation::Disordered { program, user });
        }
        for purse in &account.purses {
            let currency = purse.currency;
            if !in_range(purse) {
                violations.push(Violation::OutOfRange { program, user, currency });
            }
            let of = account.holds.iter().filter(|hold| hold.currency == currency);
            let holds_minor = of.map(|hold| u128::from(hold.minor)).sum();
            let held_minor = purse.held_minor;
            if u128::try_from(held_minor) != Ok(holds_minor) {
                violations.push(Violation::HeldDiffers { program, user, currency, held_minor, holds_minor });
            }
        }
        violations
    }

    fn check_totals(&self, found: &Sums) -> Vec<Violation> {
        let currency = found.currency;
        let kept = self.scalars.totals.0.iter().find(|kept| kept.currency == currency).copied();
        let kept = kept.unwrap_or(Sums::empty(currency));
        let mut violations = Vec::new();
        for (total, kept, found) in [("available", kept.available, found.available), ("held", kept.held, found.held)] {
            if kept != found {
                violations.push(Violation::TotalDiffers { currency, total, kept, found });
            }
        }
        // Sums from a snapshot are anything that 128 bits can say.
        let sum = kept.funding.saturating_add(kept.available).saturating_add(kept.held);
        if sum != 0 {
            violations.push(Violation::Unbalanced { currency, sum });
        }
        violations
    }

    /// The holds of an account that no token stands for.
    fn orphans<'a>(&'a self, account: &'a Account) -> impl Iterator<Item = Violation> + 'a {
        let stands = move |hold: &Hold| {
            let token = self.tokens.get(TokenRecord::key_of(&account.program, &hold.token));
            let request = token.is_some_and(|token| {
                token.standing == Standing::Held { hold: hold.number }
                    && token.asked.is_some_and(|asked| asked.user == account.user)
            });
            let owner = Owner { program: account.program, user: account.user, currency: hold.currency };
            request || self.is_of_chain(&owner, hold.number, hold.token)
        };
        account.holds.iter().filter(move |hold| !stands(hold)).map(|hold| Violation::HoldWithoutToken {
            program: account.program,
            user: account.user,
            hold: hold.number,
        })
    }

    fn check_token_hold(&self, token: &TokenRecord) -> Option<Violation> {
        let Standing::Held { hold: number } = token.standing else {
            return None;
        };
        let stands = token.asked.is_some_and(|asked| {
            let account = self.accounts.get(Account::key_of(&token.program, &asked.user));
            account.is_some_and(|account| {
                let at = account.holds.binary_search_by_key(&number, |hold| hold.number);
                let hold = at.ok().and_then(|at| account.holds.get(at));
                hold.is_some_and(|hold| hold.token == token.token && hold.amount() == asked.amount())
            })
        });
        (!stands).then_some(Violation::TokenWithoutHold { program: token.program, token: token.token })
    }
}

/// Adds as many as are wanted.
fn add(violations: &mut Vec<Violation>, found: impl IntoIterator<Item = Violation>) {
    let room = VIOLATIONS_MAX.saturating_sub(violations.len());
    violations.extend(found.into_iter().take(room));
}

fn count(of: &'static str, kept: u64, found: u64) -> Option<Violation> {
    (kept != found).then_some(Violation::CountDiffers { of, kept, found })
}

#[cfg(test)]
mod planted;
