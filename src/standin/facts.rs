//! What is refused alone because of what a request says about itself. What is not known stays unknown, and whoever
//! refuses a thing refuses what might be it.

use ledger::{CashKind, Fact, Facts};
use std::collections::BTreeSet;

/// What can be refused as a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Cash.
    Cash,
    /// Quasi-cash.
    QuasiCash,
    /// Stored value.
    GiftCard,
    /// A merchant abroad.
    CrossBorder,
    /// A card's first use.
    FirstUse,
    /// An account whose limits were raised lately.
    RaisedLimits,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] =
        [Kind::Cash, Kind::QuasiCash, Kind::GiftCard, Kind::CrossBorder, Kind::FirstUse, Kind::RaisedLimits];

    /// As it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cash => "cash",
            Kind::QuasiCash => "quasi-cash",
            Kind::GiftCard => "gift-card",
            Kind::CrossBorder => "cross-border",
            Kind::FirstUse => "first-use",
            Kind::RaisedLimits => "raised-limits",
        }
    }
}

/// What is refused, whatever the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Merchant categories.
    pub mccs: BTreeSet<u16>,
    /// Kinds.
    pub kinds: BTreeSet<Kind>,
}

fn may_be(facts: &Facts, kind: Kind) -> bool {
    let bought = |kind| facts.bought() == kind || facts.bought() == CashKind::Unknown;
    match kind {
        Kind::Cash => bought(CashKind::Cash),
        Kind::QuasiCash => bought(CashKind::QuasiCash),
        Kind::GiftCard => bought(CashKind::GiftCard),
        Kind::CrossBorder => facts.cross_border != Fact::No,
        // No message says so of itself: whoever refuses these refuses everything.
        Kind::FirstUse | Kind::RaisedLimits => true,
    }
}

impl Refusals {
    /// Whether a request is, or may be, one of these.
    pub(crate) fn refuse(&self, facts: &Facts) -> bool {
        let mcc = !self.mccs.is_empty() && facts.mcc.is_none_or(|mcc| self.mccs.contains(&mcc));
        mcc || self.kinds.iter().any(|kind| may_be(facts, *kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Channel;

    #[test]
    fn nothing_is_refused_unless_it_was_said() {
        assert!(!Refusals::default().refuse(&Facts::default()));
    }

    #[test]
    fn what_is_refused_is_refused_and_so_is_what_might_be_it() {
        let kinds = |kind| Refusals { kinds: BTreeSet::from([kind]), ..Refusals::default() };
        let grocer =
            Facts { mcc: Some(5411), channel: Channel::CardPresent, cross_border: Fact::No, ..Facts::default() };
        for kind in Kind::ALL {
            let unsaid = matches!(kind, Kind::FirstUse | Kind::RaisedLimits);
            assert_eq!(kinds(kind).refuse(&grocer), unsaid, "{kind:?}");
            assert!(kinds(kind).refuse(&Facts::default()), "{kind:?}");
        }
        assert!(kinds(Kind::Cash).refuse(&Facts { mcc: Some(6011), ..grocer }));
        assert!(kinds(Kind::QuasiCash).refuse(&Facts { mcc: Some(7995), ..grocer }));
        assert!(kinds(Kind::GiftCard).refuse(&Facts { cash: CashKind::GiftCard, ..grocer }));
        assert!(!kinds(Kind::QuasiCash).refuse(&Facts { mcc: Some(7995), cash: CashKind::Goods, ..grocer }));
        assert!(kinds(Kind::CrossBorder).refuse(&Facts { cross_border: Fact::Yes, ..grocer }));

        let mccs = Refusals { mccs: BTreeSet::from([7995]), ..Refusals::default() };
        assert!(!mccs.refuse(&grocer) && mccs.refuse(&Facts { mcc: None, ..grocer }));
    }
}
