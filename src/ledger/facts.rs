//! What a request says about itself besides whose money and how much: merchant, card, channel, risk, and how long it
//! stands.
//!
//! **What must hold.** Nothing here is part of a request's meaning in money (its fingerprint), and none of it can make
//! a message refused: what was not said, or cannot be read, is unknown. Whoever looks at facts says what the unknown
//! means to it. The words are what the processor's door and an operator's files are translated to and from; the
//! numbers (`codec`) are for ever.

use crate::{IdError, Timestamp, Token, UserToken};
use core::fmt;

/// A plain list of words, each with the text by which operators know it.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $word:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $word,)+
            /// Nobody said.
            #[default]
            Unknown,
        }

        impl $name {
            /// All of them but the unknown.
            pub const ALL: &[$name] = &[$($name::$word),+];

            /// As operators write it.
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$word => $text,)+
                    $name::Unknown => "unknown",
                }
            }
        }
    };
}

words! {
    /// Yes, no, or nobody said.
    Fact {
        /// It is so.
        Yes = "yes",
        /// It is not so.
        No = "no",
    }
}

words! {
    /// How the card was used.
    Channel {
        /// The card was there.
        CardPresent = "card-present",
        /// In a shop on the net.
        Ecommerce = "ecommerce",
        /// By mail or telephone.
        MailOrPhone = "mail-or-phone",
        /// By an agreement made earlier.
        Recurring = "recurring",
        /// At a cash machine.
        Atm = "atm",
    }
}

words! {
    /// How the card's number came to the terminal.
    Entry {
        /// Typed in.
        Manual = "manual",
        /// Read from the stripe.
        MagneticStripe = "magnetic-stripe",
        /// Read from the chip.
        Chip = "chip",
        /// Over the air, from card or telephone.
        Contactless = "contactless",
        /// From the stripe, because the chip could not be read.
        ChipFallback = "chip-fallback",
        /// The merchant had it on file.
        OnFile = "on-file",
        /// Some other way.
        Other = "other",
    }
}

words! {
    /// What is bought, as far as it is as good as money.
    CashKind {
        /// Goods or services.
        Goods = "goods",
        /// Cash.
        Cash = "cash",
        /// What is cash in another form: money orders, chips, foreign currency.
        QuasiCash = "quasi-cash",
        /// Stored value.
        GiftCard = "gift-card",
    }
}

words! {
    /// What came of a check that somebody else made.
    Check {
        /// It is right.
        Match = "match",
        /// Some of it is right.
        Partial = "partial",
        /// It is wrong.
        Mismatch = "mismatch",
    }
}

words! {
    /// The processor's risk level.
    Risk {
        /// Low.
        Low = "low",
        /// Between.
        Medium = "medium",
        /// High.
        High = "high",
    }
}

words! {
    /// What the processor's risk service recommends.
    Advice {
        /// To say yes.
        Approve = "approve",
        /// To look at it.
        Review = "review",
        /// To say no.
        Decline = "decline",
    }
}

/// A country by its three letters (ISO 3166-1 alpha-3), not checked against the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 3]);

impl Country {
    /// Three capital letters.
    pub fn new(text: &str) -> Result<Country, IdError> {
        match *text.as_bytes() {
            [] => Err(IdError::Empty),
            [a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Country([a, b, c])),
            [_, _, _] => Err(IdError::NotPrintable),
            _ => Err(IdError::TooLong),
        }
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        // Only `new` makes one, and it let nothing but ASCII in.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn letters(self) -> [u8; 3] {
        self.0
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Country").field(&self.as_str()).finish()
    }
}

/// What a request says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The merchant's category (ISO 18245).
    pub mcc: Option<u16>,
    /// The merchant (`card_acceptor.mid`).
    pub merchant: Option<Token>,
    /// Where the merchant is.
    pub country: Option<Country>,
    /// Which card.
    pub card: Option<Token>,
    /// The card's product.
    pub product: Option<Token>,
    /// Who acts, if it is not the account holder.
    pub acting: Option<UserToken>,
    /// The business that they belong to, if it is neither of them.
    pub business: Option<UserToken>,
    /// A part of the amount will do.
    pub partial_ok: Fact,
    /// How the card was used.
    pub channel: Channel,
    /// How its number was read.
    pub entry: Entry,
    /// What is bought.
    pub cash: CashKind,
    /// The card was there.
    pub card_present: Fact,
    /// The merchant is in another country than the card.
    pub cross_border: Fact,
    /// The network's risk score, 0 to 999.
    pub network_score: Option<u16>,
    /// The processor's.
    pub processor_score: Option<u16>,
    /// That of a scorer of the issuer's own, asked before the command was proposed. Nobody fills it yet.
    pub outside_score: Option<u16>,
    /// The processor's risk level.
    pub risk: Risk,
    /// What the processor's risk service recommends.
    pub advice: Advice,
    /// The card's security code.
    pub security_code: Check,
    /// The cardholder's address.
    pub address: Check,
    /// 3-D Secure.
    pub three_ds: Check,
    /// A hotel or a rented car.
    pub lodging_or_rental: Fact,
    /// The final amount is not known yet.
    pub preauthorization: Fact,
    /// How many days the network lets it stand.
    pub life_days: Option<u16>,
    /// Until when it stands, as the processor says.
    pub stands_until: Option<Timestamp>,
}

impl Facts {
    /// What is bought, told by the category where nothing else told it.
    pub fn bought(&self) -> CashKind {
        match (self.cash, self.mcc) {
            (CashKind::Unknown, Some(6010 | 6011)) => CashKind::Cash,
            (CashKind::Unknown, Some(4829 | 6050 | 6051 | 7801 | 7802 | 7995)) => CashKind::QuasiCash,
            (CashKind::Unknown, Some(6540)) => CashKind::GiftCard,
            (CashKind::Unknown, Some(_)) => CashKind::Goods,
            (known, _) => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_three_capital_letters() {
        assert!(Country::new("GBR").is_ok_and(|country| country.as_str() == "GBR"));
        for (text, error) in [
            ("", IdError::Empty),
            ("GB", IdError::TooLong),
            ("gbr", IdError::NotPrintable),
            ("GB1", IdError::NotPrintable),
            ("GBRX", IdError::TooLong),
        ] {
            assert_eq!(Country::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn cash_is_told_by_the_category_unless_something_else_tells_it() {
        let of = |mcc, cash| Facts { mcc, cash, ..Facts::default() }.bought();
        assert_eq!(of(Some(6011), CashKind::Unknown), CashKind::Cash);
        assert_eq!(of(Some(7995), CashKind::Unknown), CashKind::QuasiCash);
        assert_eq!(of(Some(7995), CashKind::Goods), CashKind::Goods);
        assert_eq!(of(Some(5411), CashKind::Unknown), CashKind::Goods);
        assert_eq!(of(None, CashKind::Unknown), CashKind::Unknown);
    }
}
