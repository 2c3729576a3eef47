//! A request looked at by the rules, and what is written down of it.
//!
//! **What must hold.** Looking changes nothing. Every rule is looked at, whatever others say, so that what is recorded
//! is all of it. Counters move when a decision is recorded, and once for each token: a repeated request is not looked
//! at again. An approval that a node gave alone is counted when it comes into the books; no rule undoes it.

use super::condition::Seen;
use super::usage::of_card;
use super::{Controls, Counted, Document, Limit, Mode, Per, Programme, Purpose, Rule, Subjects, Then, Usage};
use crate::authorize::spends;
use crate::books::Ledger;
use crate::chain::name::{Named, To};
use crate::kind_name::KindName;
use crate::{Authorize, DeclineReason, Fact, Facts, Program, Timestamp, Token, Verdict};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a token remembers of the rules, if any fired or counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The version of the controls.
    pub version: u64,
    /// When it was counted.
    pub at: Timestamp,
    pub card: Option<Token>,
    /// The card's product, if a limit of its counts it.
    pub product: Option<Token>,
    /// The money that is still counted.
    pub minor: u64,
    /// The rules that refused it, or would have.
    pub fired: Vec<u32>,
    /// The limits that count it.
    pub counted: Vec<u32>,
}

/// A set of rules by their place in the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places([u64; 4]);

impl Places {
    fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & 1 << (place % 64) != 0)
    }
}

/// What the rules say of a request.
pub(crate) struct Look {
    controls: Arc<Controls>,
    looked: Places,
    fired: Places,
    /// Why it is declined, and by the rule at which place.
    refusal: Option<(DeclineReason, usize)>,
}

impl Look {
    pub(crate) fn refusal(&self) -> Option<DeclineReason> {
        self.refusal.map(|(reason, _)| reason)
    }

    fn numbers(&self, of: impl Fn(usize, &Rule) -> bool) -> Vec<u32> {
        let places = self.controls.numbers.iter().zip(&self.controls.document.rules).enumerate();
        places.filter(|(place, (_, rule))| of(*place, rule)).map(|(_, (number, _))| *number).collect()
    }

    /// The limits that look at it and count such decisions.
    fn limits(&self, of: Counted) -> impl Iterator<Item = (u32, Limit)> {
        let places = self.controls.numbers.iter().zip(&self.controls.document.rules).enumerate();
        places.filter_map(move |(place, (number, rule))| match rule.then {
            Then::Limit(limit) if limit.of == of && self.looked.has(place) => Some((*number, limit)),
            Then::Deny | Then::Most(_) | Then::Limit(_) | Then::Travel(_) => None,
        })
    }
}

/// What the books know of those who ask.
struct Known<'a> {
    account: Option<&'a Usage>,
    card: Option<&'a Usage>,
    product: Option<&'a Usage>,
    programme: Option<&'a Usage>,
    now: Timestamp,
}

impl<'a> Known<'a> {
    fn of(&self, per: Per) -> Option<&'a Usage> {
        match per {
            Per::Account => self.account,
            Per::Card => self.card,
            Per::Product => self.product,
            Per::Programme => self.programme,
        }
    }
}

impl Ledger {
    /// What the rules of its programme say of a request; nothing, if there are none, or they do not look at its kind.
    pub(crate) fn look(&self, request: &Authorize) -> Option<Look> {
        if self.programmes.len() == 0 || !spends(request.kind) {
            return None;
        }
        let programme = self.programmes.get(Programme::key_of(&request.program))?;
        let controls = Arc::clone(&programme.controls);
        let facts = request.facts.unwrap_or_default();
        let subjects = subjects(request, &facts);
        let used = |per| self.usages.get(subjects.of(per)?.key(&request.program));
        // Few programmes count for all of them, and looking costs.
        let shared = |per| if controls.document.counts_per(per) { used(per) } else { None };
        let known = Known {
            account: used(Per::Account),
            card: used(Per::Card),
            product: shared(Per::Product),
            programme: shared(Per::Programme),
            now: self.scalars.now,
        };
        let first_use = match (facts.card, known.card) {
            (None, _) => Fact::Unknown,
            (Some(_), Some(usage)) if usage.used => Fact::No,
            (Some(_), _) => Fact::Yes,
        };
        let seen = Seen { first_use };
        let (mut looked, mut fired, mut refusal) = (Places::default(), Places::default(), None);
        for (place, (rule, number)) in controls.document.rules.iter().zip(&controls.numbers).enumerate() {
            if !rule.looks_at(request, &facts, seen) {
                continue;
            }
            looked.add(place);
            let Some(reason) = rule.refuses(*number, request, &facts, &known, &controls) else {
                continue;
            };
            fired.add(place);
            if rule.mode == Mode::Enforce && refusal.is_none_or(|(first, _)| reason < first) {
                refusal = Some((reason, place));
            }
        }
        Some(Look { controls, looked, fired, refusal })
    }

    /// What user, card and rules say of a request by these books, for a node that must answer alone. It changes nothing
    /// and counts nothing.
    pub fn foresee(&self, request: &Authorize) -> Result<(), DeclineReason> {
        self.may_decide(request)?;
        if !spends(request.kind) {
            return Ok(());
        }
        self.may_take_part(request)?;
        self.look(request).and_then(|look| look.refusal()).map_or(Ok(()), Err)
    }

    /// Its chain may know already that less is spent of a token that has just come into the books.
    pub(crate) fn recount_linked(&mut self, request: &Authorize) {
        let owner = request.owner();
        if let Some(To::Chain(number)) = self.lookup(&owner, Named::jit(request.token)) {
            self.recount_chain(&owner, number);
        }
    }

    /// Counts a request that is decided, and says what its token shall remember of the rules, if anything.
    pub(crate) fn judged(&mut self, look: Look, request: &Authorize, verdict: Verdict) -> Option<Judged> {
        let decided = look.refusal.filter(|(reason, _)| verdict == Verdict::Declined(*reason));
        self.tally(&look, decided.map(|(_, place)| place), verdict);
        let of = match verdict {
            Verdict::Approved if request.moves_money() => Some(Counted::Approvals),
            Verdict::Approved => None,
            Verdict::Declined(_) => {
                let rule = decided.and_then(|(_, place)| look.controls.document.rules.get(place));
                let by_declines = rule.is_some_and(|rule| rule.counts() == Some(Counted::Declines));
                (!by_declines).then_some(Counted::Declines)
            }
        };
        let counted: Vec<_> = of.map_or(Vec::new(), |of| look.limits(of).collect());
        let minor = if of == Some(Counted::Approvals) { request.amount.minor() } else { 0 };
        self.count(&look.controls, request, &counted, minor);
        if verdict == Verdict::Approved {
            self.note_use(&look.controls, request);
        }
        let fired = look.numbers(|place, _| look.fired.has(place));
        let facts = request.facts.unwrap_or_default();
        let by_product = counted.iter().any(|(_, limit)| limit.per == Per::Product);
        // Declines are never given back, so their tokens need not know what counts them.
        let counted: Vec<u32> = match of {
            Some(Counted::Approvals) => counted.iter().map(|(number, _)| *number).collect(),
            Some(Counted::Declines) | None => Vec::new(),
        };
        if fired.is_empty() && counted.is_empty() {
            return None;
        }
        let (version, at) = (look.controls.version, self.scalars.now);
        let product = facts.product.filter(|_| by_product);
        Some(Judged { version, at, card: facts.card, product, minor, fired, counted })
    }

    fn tally(&mut self, look: &Look, decided: Option<usize>, verdict: Verdict) {
        let Some(programme) = self.programmes.get_mut(Programme::key_of(&look.controls.program)) else {
            return;
        };
        for (place, tally) in Arc::make_mut(&mut programme.tallies).iter_mut().enumerate() {
            let fired = look.fired.has(place);
            tally.looked += u64::from(look.looked.has(place));
            tally.fired += u64::from(fired);
            tally.decided += u64::from(decided == Some(place));
            tally.spared += u64::from(fired && verdict == Verdict::Approved);
        }
    }

    /// Counts a request for limits that look at it.
    fn count(&mut self, controls: &Controls, request: &Authorize, limits: &[(u32, Limit)], minor: u64) {
        let facts = request.facts.unwrap_or_default();
        let subjects = subjects(request, &facts);
        let (zone, now) = (&controls.document.zone, self.scalars.now);
        for per in Per::ALL {
            let Some(subject) = limits.iter().find(|(_, limit)| limit.per == per).and_then(|_| subjects.of(per)) else {
                continue;
            };
            self.use_of(&request.program, &subject, |usage| {
                usage.follow(controls);
                for (number, limit) in limits.iter().filter(|(_, limit)| limit.per == per) {
                    usage.count(*number, limit.window, zone, now, minor);
                }
            });
        }
    }

    /// Notes that a card was approved, and where it was, if a rule asks for it.
    fn note_use(&mut self, controls: &Controls, request: &Authorize) {
        let facts = request.facts.unwrap_or_default();
        let Some(card) = facts.card.filter(|_| controls.document.rules.iter().any(Rule::asks_for_use)) else {
            return;
        };
        let now = self.scalars.now;
        self.use_of(&request.program, &of_card(&card), |usage| {
            usage.used = true;
            if let (Fact::Yes, Some(country)) = (facts.card_present, facts.country) {
                usage.last = Some((country, now));
            }
        });
    }

    fn use_of(&mut self, program: &Program, subject: &KindName, change: impl FnOnce(&mut Usage)) {
        if let Some(usage) = self.usages.get_mut(subject.key(program)) {
            return change(usage);
        }
        let mut usage = Usage::empty(*program, subject);
        change(&mut usage);
        self.usages.insert(usage);
    }
}

/// Whose usage it is part of.
fn subjects<'a>(request: &'a Authorize, facts: &'a Facts) -> Subjects<'a> {
    Subjects { user: &request.user, card: facts.card.as_ref(), product: facts.product.as_ref() }
}

impl Per {
    const ALL: [Per; 4] = [Per::Account, Per::Card, Per::Product, Per::Programme];
}

impl Document {
    fn counts_per(&self, per: Per) -> bool {
        self.rules.iter().any(|rule| matches!(rule.then, Then::Limit(limit) if limit.per == per))
    }
}

impl Rule {
    fn looks_at(&self, request: &Authorize, facts: &Facts, seen: Seen) -> bool {
        if !self.then.is_about(request, facts) {
            return false;
        }
        let exempt = || !self.unless.is_empty() && self.unless.iter().all(|of| of.matches(request, facts, seen));
        self.when.iter().all(|of| of.matches(request, facts, seen)) && !exempt()
    }

    fn counts(&self) -> Option<Counted> {
        match self.then {
            Then::Limit(limit) => Some(limit.of),
            Then::Deny | Then::Most(_) | Then::Travel(_) => None,
        }
    }

    fn asks_for_use(&self) -> bool {
        let asks = self.when.iter().chain(&self.unless).any(super::Condition::is_of_use);
        asks || matches!(self.then, Then::Travel(_))
    }

    /// Why it refuses a request that it looks at, if it does.
    fn refuses(
        &self,
        number: u32,
        request: &Authorize,
        facts: &Facts,
        known: &Known<'_>,
        controls: &Controls,
    ) -> Option<DeclineReason> {
        let reason = match self.then {
            Then::Deny if self.is_of_merchant() => DeclineReason::ControlMerchant,
            Then::Deny => DeclineReason::ControlOther,
            Then::Most(most) => (request.amount.minor() > most.minor()).then_some(DeclineReason::ControlAmount)?,
            Then::Limit(limit) => {
                let zone = &controls.document.zone;
                let used = known.of(limit.per).map_or((0, 0), |usage| usage.sum(number, limit.window, zone, known.now));
                limit.exceeded(request, used)?
            }
            Then::Travel(within) => {
                let (before, at) = known.card.and_then(|usage| usage.last)?;
                let moved = facts.card_present == Fact::Yes && facts.country.is_some_and(|now| now != before);
                (moved && known.now <= at.after(within)).then_some(DeclineReason::ControlOther)?
            }
        };
        Some(match self.purpose {
            Purpose::Spend => reason,
            Purpose::Fraud => DeclineReason::Fraud,
        })
    }

    fn is_of_merchant(&self) -> bool {
        self.when.iter().chain(&self.unless).any(super::Condition::is_of_merchant)
    }
}

impl Then {
    /// Whether it can say anything of a request: money is compared and counted in one currency only, and the limit of
    /// a card or a product needs one.
    fn is_about(&self, request: &Authorize, facts: &Facts) -> bool {
        let (money, per) = match self {
            Then::Deny | Then::Travel(_) => return true,
            Then::Most(most) => (Some(most), Per::Account),
            Then::Limit(limit) => (limit.amount.as_ref(), limit.per),
        };
        let same_currency = money.is_none_or(|money| money.currency() == request.amount.currency());
        same_currency
            && match per {
                Per::Account | Per::Programme => true,
                Per::Card => facts.card.is_some(),
                Per::Product => facts.product.is_some(),
            }
    }
}

impl Limit {
    /// What of it would be exceeded by one more request, with so many and so much counted before.
    fn exceeded(&self, request: &Authorize, (count, minor): (u64, u64)) -> Option<DeclineReason> {
        if let Some(most) = self.amount {
            let wanted = minor.saturating_add(request.amount.minor());
            if wanted > most.minor() {
                return Some(DeclineReason::ControlAmount);
            }
        }
        let most = u64::from(self.count?);
        (count >= most).then_some(DeclineReason::ControlCount)
    }
}
