//! What limits count of a request, corrected by what has become of it.
//!
//! **What must hold.** A limit counts what a card transaction still spends: what is held and what was paid. The
//! requests of a chain share that, the oldest first, each with at most what it asked for; so a reversal, a void, an
//! expiry or a clearing of less gives back what the newest had taken, in the slot of time in which it was counted. It
//! is worked out anew from the chain after each fact, so that the order of facts means nothing. A refund gives nothing
//! back: the money was spent.

use super::{Judged, Programme, Subjects, Then};
use crate::books::Ledger;
use crate::chain::name::{Kind, Owner};
use crate::chain::{Chain, Link};
use crate::token::{Asked, TokenRecord};
use crate::{Program, Token, UserToken, Verdict};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Ledger {
    /// Corrects what is counted for the requests of a chain.
    pub(crate) fn recount_chain(&mut self, owner: &Owner, number: u64) {
        if self.programmes.len() == 0 {
            return;
        }
        let Some(chain) = self.chain(owner, number) else {
            return;
        };
        for (token, minor) in self.shares(owner, chain) {
            self.recount_token(&owner.program, &token, minor);
        }
    }

    /// What each of its requests still spends.
    fn shares(&self, owner: &Owner, chain: &Chain) -> Vec<(Token, u64)> {
        let mut left = chain.target.spent_minor;
        let requests = chain.links.iter().flat_map(|link| {
            let jit = link.names.iter().filter(|name| name.kind == Kind::Jit);
            jit.map(move |name| (name.token, link))
        });
        let asked = |token: &Token| {
            let record = self.tokens.get(TokenRecord::key_of(&owner.program, token))?;
            record.judged()?;
            let stands = matches!(record.verdict(), Verdict::Approved);
            record.asked.filter(|asked| asked.is_of(owner)).map(|asked| (asked, stands))
        };
        let known = requests.filter_map(|(token, link)| Some((token, link, asked(&token)?)));
        let share = |(token, link, (asked, stands)): (Token, &Link, (Asked, bool))| {
            let stands = link.confirmed() || (stands && link.approved && link.word.is_none());
            let share = if stands { asked.minor.min(left) } else { 0 };
            left -= share;
            (token, share)
        };
        known.map(share).collect()
    }

    /// Corrects what is counted for one request.
    pub(crate) fn recount_token(&mut self, program: &Program, token: &Token, minor: u64) {
        let Some(record) = self.tokens.get_mut(TokenRecord::key_of(program, token)) else {
            return;
        };
        let Some(user) = record.asked.map(|asked| asked.user) else {
            return;
        };
        let Some(judged) = record.judged_mut().filter(|judged| judged.minor != minor && !judged.counted.is_empty())
        else {
            return;
        };
        let was = judged.minor;
        judged.minor = minor;
        let judged = judged.clone();
        self.correct(program, &user, &judged, was);
    }

    fn correct(&mut self, program: &Program, user: &UserToken, judged: &Judged, was: u64) {
        let Some(programme) = self.programmes.get(Programme::key_of(program)) else {
            return;
        };
        let controls = Arc::clone(&programme.controls);
        let subjects = Subjects { user, card: judged.card.as_ref(), product: judged.product.as_ref() };
        for number in &judged.counted {
            let Some(Then::Limit(limit)) = controls.rule(*number).map(|rule| rule.then) else {
                continue;
            };
            let usage = subjects.of(limit.per).and_then(|subject| self.usages.get_mut(subject.key(program)));
            if let Some(usage) = usage {
                let slot = limit.window.slot(&controls.document.zone, judged.at);
                usage.correct(*number, slot, was, judged.minor);
            }
        }
    }
}
