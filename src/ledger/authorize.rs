//! A processor's request: decided once, remembered for ever.
//!
//! **What must hold.** The order of refusals is fixed (DESIGN §5): fingerprint, books that come from a backup and were
//! not looked through, account unknown, currency not held, closed, frozen, the user or the card not active, a rule of
//! the programme, voided by the processor's own events, out of range, not enough. A decision is remembered whatever it
//! is, so that a decline does not turn into an approval when the request is repeated after a credit.

use crate::account::{Account, Purse};
use crate::books::Ledger;
use crate::chain::name::{Named, To};
use crate::controls::Look;
use crate::life::{Doubt, Linked, role_of};
use crate::postings::{Posting, Unfit};
use crate::token::{Asked, Marks, More, Standing, TokenRecord};
use crate::{
    Amount, Attempt, Authorize, Balance, Change, Decision, DeclineReason, Fact, Fingerprint, PartialApproval, Program,
    RequestKind, Settings, Token, Verdict,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// An approval: what stands for it, and what a balance inquiry is told.
struct Approval {
    standing: Standing,
    doubt: Doubt,
    balances: Vec<Balance>,
    /// How much, if it is less than was asked.
    partial: Option<Amount>,
}

impl Approval {
    fn bare(standing: Standing) -> Approval {
        Approval { standing, doubt: Doubt::Open, balances: Vec::new(), partial: None }
    }
}

impl From<Linked> for Approval {
    fn from(linked: Linked) -> Approval {
        Approval { doubt: linked.doubt, ..Approval::bare(linked.standing) }
    }
}

impl From<Unfit> for DeclineReason {
    fn from(unfit: Unfit) -> DeclineReason {
        match unfit {
            Unfit::CurrencyNotHeld => DeclineReason::CurrencyNotHeld,
            Unfit::OutOfRange => DeclineReason::AmountOutOfRange,
        }
    }
}

impl Ledger {
    pub(crate) fn authorize(&mut self, request: &Authorize) -> Decision {
        if let Some(known) = self.tokens.get_mut(TokenRecord::key_of(&request.program, &request.token)) {
            if known.fingerprint != request.fingerprint {
                return declined(DeclineReason::FingerprintMismatch);
            }
            let before = known.troubles();
            let verdict = known.answer(request.attempt);
            let balances = known.balances(verdict);
            let partial_minor = known.partial_minor(verdict);
            self.scalars.recount(before, known.troubles());
            return Decision { verdict, replayed: true, partial_minor, balances, change: None };
        }
        self.expire_due(&request.program, &request.user);
        let before = self.balance_of(request);
        let mut look = None;
        let decided = self.decide(request, &mut look);
        // What stands for it, and what limits count of it, is what was approved.
        let part = decided.as_ref().ok().and_then(|approval| approval.partial);
        let asked = part.map(|amount| Authorize { amount, ..request.clone() });
        let partial_minor = part.map(Amount::minor);
        let request = asked.as_ref().unwrap_or(request);
        let mut record = self.record_of(request.identity(), Marks::default());
        record.asked = Some(request.asked());
        let decision = match decided {
            Ok(approval) => {
                record.standing = approval.standing;
                record.first_marks = Marks::CLAIMED;
                record.doubt(approval.doubt);
                if partial_minor.is_some() {
                    record.mark_beyond(Marks::PART);
                }
                if !approval.balances.is_empty() {
                    let balances = approval.balances.clone();
                    record.more = Some(Box::new(More { balances, ..More::default() }));
                }
                Decision { partial_minor, balances: approval.balances, ..plain(Verdict::Approved) }
            }
            Err(reason) => {
                record.standing = Standing::Declined;
                record.declined = Some(reason);
                record.first_marks = Marks::REFUSED;
                declined(reason)
            }
        };
        let standing = record.standing;
        record.keep_judged(look.and_then(|look| self.judged(look, request, decision.verdict)));
        self.tokens.insert(record);
        self.name_request(request, standing);
        if standing == Standing::Linked {
            self.recount_linked(request);
        }
        let change = before.zip(self.balance_of(request)).map(|(before, after)| Change { before, after });
        Decision { change, ..decision }
    }

    /// Of the currency that is asked for, if the account is there and holds it.
    fn balance_of(&self, request: &Authorize) -> Option<Balance> {
        let account = self.accounts.get(Account::key_of(&request.program, &request.user))?;
        account.purse(request.amount.currency()).map(Purse::balance)
    }

    /// Lets the transaction's name lead to a request that holds money and has no chain.
    pub(crate) fn name_request(&mut self, request: &Authorize, standing: Standing) {
        let (Standing::Held { .. }, Some(transaction)) = (standing, request.transaction) else {
            return;
        };
        self.point(&request.owner(), Named::transaction(transaction), To::Request(request.token));
    }

    /// Puts down in `look` what the rules say, if it comes so far that they are asked.
    fn decide(&mut self, request: &Authorize, look: &mut Option<Look>) -> Result<Approval, DeclineReason> {
        self.may_decide(request)?;
        let key = Account::key_of(&request.program, &request.user);
        match request.kind {
            RequestKind::Notice => return Ok(Approval::bare(Standing::Approved)),
            RequestKind::BalanceInquiry => {
                let account = self.accounts.get(key).ok_or(DeclineReason::AccountUnknown)?;
                account.takes_part()?;
                return Ok(Approval { balances: account.balances(), ..Approval::bare(Standing::Approved) });
            }
            RequestKind::Authorization
            | RequestKind::Verification
            | RequestKind::Incremental
            | RequestKind::SingleDebit
            | RequestKind::CreditAuthorization
            | RequestKind::FastCredit => {}
        }
        let account = self.accounts.get(key).ok_or(DeclineReason::AccountUnknown)?;
        account.purse(request.amount.currency()).ok_or(DeclineReason::CurrencyNotHeld)?;
        account.takes_part()?;
        if spends(request.kind) {
            self.may_take_part(request)?;
        }
        *look = self.look(request);
        if let Some(reason) = look.as_ref().and_then(Look::refusal) {
            return Err(reason);
        }
        if !request.moves_money() {
            return Ok(Approval::bare(Standing::Approved));
        }
        if self.is_chained(request) {
            return self.decide_in_chain(request).map(Approval::from);
        }
        let settings = self.settings(&request.program);
        let account = self.accounts.get_mut(key).ok_or(DeclineReason::AccountUnknown)?;
        let purse = account.purse(request.amount.currency()).ok_or(DeclineReason::CurrencyNotHeld)?;
        Posting::hold(request.amount).applied_to(purse).ok_or(DeclineReason::AmountOutOfRange)?;
        if !purse.covers(request.amount) {
            let part = request.part_of(purse.available_minor, &settings).ok_or(DeclineReason::InsufficientFunds)?;
            let hold = self.scalars.place_hold(account, &part, &settings)?;
            return Ok(Approval { partial: Some(part.amount), ..Approval::bare(Standing::Held { hold }) });
        }
        let hold = self.scalars.place_hold(account, request, &settings)?;
        Ok(Approval::bare(Standing::Held { hold }))
    }

    /// A record of a token that the books have not seen, closed until somebody says otherwise.
    pub(crate) fn record_of(&self, identity: Identity, first_marks: Marks) -> TokenRecord {
        TokenRecord {
            program: identity.program,
            token: identity.token,
            fingerprint: identity.fingerprint,
            at: self.scalars.now,
            asked: None,
            standing: Standing::Closed,
            declined: None,
            first: identity.attempt,
            first_marks,
            beyond: Marks::default(),
            more: None,
        }
    }
}

/// Whether it takes money, or asks whether one could.
pub(crate) fn spends(kind: RequestKind) -> bool {
    match kind {
        RequestKind::Authorization
        | RequestKind::Verification
        | RequestKind::Incremental
        | RequestKind::SingleDebit => true,
        RequestKind::BalanceInquiry
        | RequestKind::Notice
        | RequestKind::CreditAuthorization
        | RequestKind::FastCredit => false,
    }
}

/// Which token, meaning what, and who asks.
pub(crate) struct Identity {
    pub program: Program,
    pub attempt: Attempt,
    pub token: Token,
    pub fingerprint: Fingerprint,
}

impl Authorize {
    /// Whether an approval of it stands for money. Nothing else does: not a zero amount, whatever its kind.
    pub(crate) fn moves_money(&self) -> bool {
        role_of(self.kind).is_some() && self.amount.minor() > 0
    }

    /// The request for what there is in place of what is asked, where the programme and the request let that be.
    fn part_of(&self, available_minor: i64, settings: &Settings) -> Option<Authorize> {
        let will_do = self.facts.is_some_and(|facts| facts.partial_ok == Fact::Yes);
        let may = settings.partial_approval == PartialApproval::Available && self.kind == RequestKind::Authorization;
        let available = u64::try_from(available_minor).ok().filter(|minor| *minor > 0 && may && will_do)?;
        let amount = Amount::new(available, self.amount.currency()).ok()?;
        Some(Authorize { amount, ..self.clone() })
    }

    pub(crate) fn asked(&self) -> Asked {
        Asked { user: self.user, kind: self.kind, currency: self.amount.currency(), minor: self.amount.minor() }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { program: self.program, attempt: self.attempt, token: self.token, fingerprint: self.fingerprint }
    }
}

fn declined(reason: DeclineReason) -> Decision {
    plain(Verdict::Declined(reason))
}

fn plain(verdict: Verdict) -> Decision {
    Decision { verdict, replayed: false, partial_minor: None, balances: Vec::new(), change: None }
}
