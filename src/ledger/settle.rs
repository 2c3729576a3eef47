//! Answers that a node gave alone, brought into the books: model M1 rules 5 and 6.
//!
//! **What must hold.** A force is never re-decided and never places a second hold. A void touches only the token's own
//! hold, and only if nobody else may have promised it and the processor has not confirmed it. Applying either again
//! changes nothing. What a settlement answers: [`Settled::Conflict`] whenever a hold stands afterwards although
//! somebody was told no, else [`Settled::Done`] if something changed, else [`Settled::Nothing`].

use crate::account::Account;
use crate::authorize::Identity;
use crate::books::Ledger;
use crate::controls::Look;
use crate::life::{Doubt, Linked};
use crate::token::{Marks, Standing, TokenRecord};
use crate::{Authorize, DeclineReason, Settled, Verdict, Void};

impl Ledger {
    /// Rule 5. Without a look at the balance or the status: it has been promised already.
    pub(crate) fn force(&mut self, request: &Authorize) -> Settled {
        let key = TokenRecord::key_of(&request.program, &request.token);
        let Some(known) = self.tokens.get_mut(key) else {
            return self.force_unknown(request);
        };
        let before = known.troubles();
        if known.fingerprint != request.fingerprint {
            // Two meanings under one token, and a token has one hold at most: an operator must look.
            known.mark_beyond(Marks::FOREIGN);
            self.scalars.recount(before, known.troubles());
            return Settled::Impossible;
        }
        let repeated = known.was_forced_by(request.attempt);
        known.mark(request.attempt, Marks::FORCED);
        self.scalars.recount(before, known.troubles());
        match known.standing {
            Standing::Held { .. } | Standing::Approved | Standing::Linked => stands(known, Settled::Nothing),
            Standing::Declined | Standing::Closed if repeated && known.settled() => Settled::Nothing,
            Standing::Declined | Standing::Closed if repeated => Settled::Impossible,
            Standing::Declined | Standing::Closed => self.force_refused(request),
        }
    }

    fn force_unknown(&mut self, request: &Authorize) -> Settled {
        let look = self.look(request);
        let placed = self.place_forced(request);
        let mut record = self.record_of(request.identity(), Marks::FORCED);
        record.asked = Some(request.asked());
        let settled = match placed {
            Ok(linked) => {
                record.standing = linked.standing;
                record.doubt(linked.doubt);
                done(record.standing)
            }
            Err(reason) => {
                record.standing = Standing::Declined;
                record.declined = Some(reason);
                Settled::Impossible
            }
        };
        self.scalars.recount(Default::default(), record.troubles());
        let standing = record.standing;
        self.tokens.insert(record);
        self.name_request(request, standing);
        self.count_forced(look, request, standing);
        settled
    }

    /// No rule undoes what a node has promised; limits count it.
    fn count_forced(&mut self, look: Option<Look>, request: &Authorize, standing: Standing) {
        match standing {
            Standing::Held { .. } | Standing::Approved | Standing::Linked => {
                let judged = look.and_then(|look| self.judged(look, request, Verdict::Approved));
                if let Some(record) = self.tokens.get_mut(TokenRecord::key_of(&request.program, &request.token)) {
                    record.keep_judged(judged);
                }
                self.recount_linked(request);
            }
            Standing::Declined | Standing::Closed => {}
        }
    }

    /// The books said no, a node said yes: the yes counts.
    fn force_refused(&mut self, request: &Authorize) -> Settled {
        let look = self.look(request);
        let Ok(linked) = self.place_forced(request) else {
            return Settled::Impossible;
        };
        let Some(known) = self.tokens.get_mut(TokenRecord::key_of(&request.program, &request.token)) else {
            debug_assert!(false, "the caller has just marked it");
            return Settled::Impossible;
        };
        let before = known.troubles();
        known.standing = linked.standing;
        known.asked = Some(request.asked());
        known.doubt(linked.doubt);
        self.scalars.recount(before, known.troubles());
        let settled = stands(known, done(linked.standing));
        self.name_request(request, linked.standing);
        self.count_forced(look, request, linked.standing);
        settled
    }

    fn place_forced(&mut self, request: &Authorize) -> Result<Linked, DeclineReason> {
        if !request.moves_money() {
            return Ok(Linked { standing: Standing::Approved, doubt: Doubt::Open });
        }
        self.expire_due(&request.program, &request.user);
        let settings = self.settings(&request.program);
        if self.is_chained(request) {
            return self.force_in_chain(request);
        }
        let account = self.accounts.get_mut(Account::key_of(&request.program, &request.user));
        let account = account.ok_or(DeclineReason::AccountUnknown)?;
        let hold = self.scalars.place_hold(account, request, &settings)?;
        Ok(Linked { standing: Standing::Held { hold }, doubt: Doubt::Open })
    }

    /// Rule 6.
    pub(crate) fn void(&mut self, void: &Void) -> Settled {
        let key = TokenRecord::key_of(&void.program, &void.token);
        let confirmed = self.tokens.get(key).is_some_and(|known| self.is_confirmed(known));
        let (mut unlinked, mut released_alone) = (false, false);
        let Some(known) = self.tokens.get_mut(key) else {
            let Void { program, attempt, token, fingerprint } = *void;
            let record = self.record_of(Identity { program, attempt, token, fingerprint }, Marks::DISCLAIMED);
            self.tokens.insert(record);
            return Settled::Done;
        };
        if known.fingerprint != void.fingerprint {
            return Settled::Nothing;
        }
        let before = known.troubles();
        known.mark(void.attempt, Marks::DISCLAIMED);
        let kept = known.promised_elsewhere() || confirmed;
        let settled = match known.standing {
            Standing::Declined | Standing::Closed => Settled::Nothing,
            Standing::Held { .. } | Standing::Approved | Standing::Linked if kept => stands(known, Settled::Nothing),
            Standing::Linked => {
                known.standing = Standing::Closed;
                unlinked = true;
                Settled::Done
            }
            Standing::Approved => {
                known.standing = Standing::Closed;
                Settled::Done
            }
            Standing::Held { hold } => {
                let account =
                    known.asked.and_then(|asked| self.accounts.get_mut(Account::key_of(&void.program, &asked.user)));
                let released = account.and_then(|account| self.scalars.release_hold(account, hold));
                debug_assert!(released.is_some(), "a held token has its hold");
                known.standing = Standing::Closed;
                released_alone = true;
                Settled::Done
            }
        };
        self.scalars.recount(before, known.troubles());
        if released_alone {
            self.recount_token(&void.program, &void.token, 0);
        }
        if unlinked {
            self.unlink(&void.program, &void.token);
        }
        settled
    }
}

/// What never was holds nothing, and then a force has nothing to do.
fn done(standing: Standing) -> Settled {
    match standing {
        Standing::Held { .. } | Standing::Approved | Standing::Linked => Settled::Done,
        Standing::Declined | Standing::Closed => Settled::Nothing,
    }
}

fn stands(known: &TokenRecord, otherwise: Settled) -> Settled {
    if known.troubles().conflict { Settled::Conflict } else { otherwise }
}
