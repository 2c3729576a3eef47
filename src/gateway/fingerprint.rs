//! What a request means in money, as 16 bytes.
//!
//! What must hold: two requests have one fingerprint exactly if endpoint kind, method, user, amount in minor units with
//! its currency, box, `original_jit_funding_token` and the transaction token are the same. The form is stored with
//! every decision: it is never changed, only a next version is added beside it. Golden tests pin it.
//!
//! Not here: times, `gpa_order.token`, merchant or risk fields. A processor may send those differently when it repeats.

use ledger::{Amount, Fingerprint, Token, UserToken};
use sha2::{Digest, Sha256};

/// Which box carried the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Container {
    /// `gpa_order`: money out.
    Load = 1,
    /// `gpa_order_unload`: money in.
    Unload = 2,
}

/// Which kind of message it is. A webhook's copy of `jit_funding` is never a repeat of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Endpoint {
    /// `POST /v1/jit`.
    Jit = 1,
}

/// Everything that the fingerprint is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The kind of message.
    pub endpoint: Endpoint,
    /// The box.
    pub container: Container,
    /// `jit_funding.method`.
    pub method: &'a str,
    /// `jit_funding.user_token`.
    pub user: UserToken,
    /// `jit_funding.amount` in its currency.
    pub amount: Amount,
    /// `jit_funding.original_jit_funding_token`.
    pub original: Option<Token>,
    /// The top-level `token`.
    pub transaction: Option<Token>,
}

const VERSION: u8 = 1;

impl Content<'_> {
    /// Version, endpoint, box; minor units and numeric currency, big endian; then each text behind its length (8
    /// bytes). An absent token is an empty text, which no token is.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut digest = Sha256::new();
        digest.update([VERSION, self.endpoint as u8, self.container as u8]);
        digest.update(self.amount.minor().to_be_bytes());
        digest.update(self.amount.currency().numeric().to_be_bytes());
        let original = self.original.as_ref().map_or("", Token::as_str);
        let transaction = self.transaction.as_ref().map_or("", Token::as_str);
        for text in [self.method, self.user.as_str(), original, transaction] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&digest.finalize()[..16]);
        Fingerprint(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Currency;

    fn content() -> Content<'static> {
        Content {
            endpoint: Endpoint::Jit,
            container: Container::Load,
            method: "pgfs.authorization",
            user: UserToken::new("u-ada-0007").unwrap(),
            amount: Amount::new(4820, Currency::from_code("EUR").unwrap()).unwrap(),
            original: None,
            transaction: Token::new("0d7f1c52-7d0b-4a57-9a0e-5b2f6a9c1e01").ok(),
        }
    }

    fn hex(content: Content<'_>) -> String {
        content.fingerprint().0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_form_never_changes() {
        assert_eq!(hex(content()), "250d5d4d10dc29637f085bd8a0da9072");
        let bare = Content {
            original: Token::new("first").ok(),
            transaction: None,
            container: Container::Unload,
            ..content()
        };
        assert_eq!(hex(bare), "18307d5b59d4d8605996b8dcda0a1da5");
    }

    #[test]
    fn each_field_changes_it() {
        let usd = Currency::from_code("USD").unwrap();
        let eur = content().amount.currency();
        let token = Token::new("first").ok();
        let mut all = vec![
            content(),
            Content { container: Container::Unload, ..content() },
            Content { method: "pgfs.authorization.incremental", ..content() },
            Content { user: UserToken::new("u-ada-0008").unwrap(), ..content() },
            Content { amount: Amount::new(4821, eur).unwrap(), ..content() },
            Content { amount: Amount::new(4820, usd).unwrap(), ..content() },
            Content { original: token, ..content() },
            Content { transaction: token, ..content() },
            Content { transaction: None, ..content() },
            Content { original: token, transaction: None, ..content() },
            // The lengths keep neighbours apart.
            Content { method: "pgfs.authorizationu", user: UserToken::new("-ada-0007").unwrap(), ..content() },
        ]
        .into_iter()
        .map(hex)
        .collect::<Vec<_>>();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
