//! The bytes of facts, which came with commands 13 to 15.

use super::refused;
use crate::*;
use bincode::de::{Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

numbered! {
    Fact { Unknown = 0, Yes = 1, No = 2 }
    Channel { Unknown = 0, CardPresent = 1, Ecommerce = 2, MailOrPhone = 3, Recurring = 4, Atm = 5 }
    Entry {
        Unknown = 0, Manual = 1, MagneticStripe = 2, Chip = 3, Contactless = 4, ChipFallback = 5, OnFile = 6, Other = 7,
    }
    CashKind { Unknown = 0, Goods = 1, Cash = 2, QuasiCash = 3, GiftCard = 4 }
    Check { Unknown = 0, Match = 1, Partial = 2, Mismatch = 3 }
    Risk { Unknown = 0, Low = 1, Medium = 2, High = 3 }
    Advice { Unknown = 0, Approve = 1, Review = 2, Decline = 3 }
}

wrapped! {
    Country as [u8; 3]: |value| value.letters(),
        |raw| match core::str::from_utf8(&raw).map(Country::new) {
            Ok(Ok(country)) => Ok(country),
            Ok(Err(_)) | Err(_) => refused("no such country"),
        };
}

/// Gives each field its place in the bytes; who acts, for which business, and whether a part will do, came
/// later ([`Later`]).
macro_rules! facts {
    ($($field:ident),+ $(,)?) => {
        impl Encode for Facts {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                $(self.$field.encode(encoder)?;)+
                Ok(())
            }
        }

        impl<C> Decode<C> for Facts {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                let (acting, business, partial_ok) = (None, None, Fact::Unknown);
                Ok(Facts { $($field: Decode::decode(decoder)?,)+ acting, business, partial_ok })
            }
        }
    };
}

facts! {
    mcc, merchant, country, card, product, channel, entry, cash, card_present, cross_border, network_score,
    processor_score, outside_score, risk, advice, security_code, address, three_ds, lodging_or_rental,
    preauthorization, life_days, stands_until,
}

/// What came with commands 17 and 18: who acts, and whether a part of the amount will do.
pub(super) type Later = (Option<UserToken>, Fact);

impl Facts {
    pub(super) fn later(&self) -> Later {
        (self.acting, self.partial_ok)
    }

    pub(super) fn and_later(self, (acting, partial_ok): Later) -> Facts {
        Facts { acting, partial_ok, ..self }
    }

    /// What came with commands 21 and 22: the business, behind what came with 17 and 18.
    pub(super) fn and_business(self, business: UserToken) -> Facts {
        Facts { business: Some(business), ..self }
    }
}
