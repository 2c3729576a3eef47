//! What a request says about itself that only stand-in cares for. Whoever takes requests in fills it; what is not known
//! stays unknown, and whoever refuses a thing refuses what might be it.

use std::collections::BTreeSet;

/// Yes, no, or nobody said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fact {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// Nobody said.
    #[default]
    Unknown,
}

/// How the card was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The card was there.
    CardPresent,
    /// In a shop on the net.
    Ecommerce,
    /// By mail or telephone.
    MailOrPhone,
    /// By an agreement made earlier.
    Recurring,
    /// At a cash machine.
    Atm,
    /// Nobody said.
    #[default]
    Unknown,
}

/// What is bought, as far as it is as good as money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CashKind {
    /// Goods or services.
    Goods,
    /// Cash.
    Cash,
    /// What is cash in another form: money orders, chips, foreign currency.
    QuasiCash,
    /// Stored value.
    GiftCard,
    /// Nobody said; the MCC may tell.
    #[default]
    Unknown,
}

/// What a request says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The merchant's category.
    pub mcc: Option<u16>,
    /// How the card was used.
    pub channel: Channel,
    /// What is bought.
    pub cash: CashKind,
    /// The merchant is in another country than the card.
    pub cross_border: Fact,
    /// The card was not used before.
    pub first_use: Fact,
    /// The account's limits were raised lately.
    pub raised_limits: Fact,
}

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
    /// Channels.
    pub channels: BTreeSet<Channel>,
    /// Kinds.
    pub kinds: BTreeSet<Kind>,
}

impl Facts {
    /// What is bought, told by the MCC where nothing else told it. The numbers are those of ISO 18245.
    fn bought(&self) -> CashKind {
        match (self.cash, self.mcc) {
            (CashKind::Unknown, Some(6010 | 6011)) => CashKind::Cash,
            (CashKind::Unknown, Some(4829 | 6050 | 6051 | 7801 | 7802 | 7995)) => CashKind::QuasiCash,
            (CashKind::Unknown, Some(6540)) => CashKind::GiftCard,
            (CashKind::Unknown, Some(_)) => CashKind::Goods,
            (known, _) => known,
        }
    }

    fn may_be(&self, kind: Kind) -> bool {
        let fact = |fact| fact != Fact::No;
        let bought = |kind| self.bought() == kind || self.bought() == CashKind::Unknown;
        match kind {
            Kind::Cash => bought(CashKind::Cash),
            Kind::QuasiCash => bought(CashKind::QuasiCash),
            Kind::GiftCard => bought(CashKind::GiftCard),
            Kind::CrossBorder => fact(self.cross_border),
            Kind::FirstUse => fact(self.first_use),
            Kind::RaisedLimits => fact(self.raised_limits),
        }
    }
}

impl Refusals {
    /// Whether a request is, or may be, one of these.
    pub(crate) fn refuse(&self, facts: &Facts) -> bool {
        let mcc = !self.mccs.is_empty() && facts.mcc.is_none_or(|mcc| self.mccs.contains(&mcc));
        let unknown = facts.channel == Channel::Unknown;
        let channel = !self.channels.is_empty() && (unknown || self.channels.contains(&facts.channel));
        mcc || channel || self.kinds.iter().any(|kind| facts.may_be(*kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_refused_unless_it_was_said() {
        assert!(!Refusals::default().refuse(&Facts::default()));
    }

    #[test]
    fn what_is_refused_is_refused_and_so_is_what_might_be_it() {
        let kinds = |kind| Refusals { kinds: BTreeSet::from([kind]), ..Refusals::default() };
        let grocer = Facts {
            mcc: Some(5411),
            channel: Channel::CardPresent,
            cash: CashKind::Unknown,
            cross_border: Fact::No,
            first_use: Fact::No,
            raised_limits: Fact::No,
        };
        for kind in Kind::ALL {
            assert!(!kinds(kind).refuse(&grocer), "{kind:?}");
            assert!(kinds(kind).refuse(&Facts::default()), "{kind:?}");
        }
        assert!(kinds(Kind::Cash).refuse(&Facts { mcc: Some(6011), ..grocer }));
        assert!(kinds(Kind::QuasiCash).refuse(&Facts { mcc: Some(7995), ..grocer }));
        assert!(kinds(Kind::GiftCard).refuse(&Facts { cash: CashKind::GiftCard, ..grocer }));
        assert!(!kinds(Kind::QuasiCash).refuse(&Facts { mcc: Some(7995), cash: CashKind::Goods, ..grocer }));
        assert!(kinds(Kind::CrossBorder).refuse(&Facts { cross_border: Fact::Yes, ..grocer }));

        let mccs = Refusals { mccs: BTreeSet::from([7995]), ..Refusals::default() };
        assert!(!mccs.refuse(&grocer) && mccs.refuse(&Facts { mcc: None, ..grocer }));
        let channels = Refusals { channels: BTreeSet::from([Channel::Atm]), ..Refusals::default() };
        assert!(!channels.refuse(&grocer) && channels.refuse(&Facts { channel: Channel::Atm, ..grocer }));
        assert!(channels.refuse(&Facts { channel: Channel::Unknown, ..grocer }));
    }
}
