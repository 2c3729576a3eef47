//! `X-Marqeta-Signature`: the hexadecimal HMAC of the raw body under a secret that both sides know.
//!
//! **What must hold.** Every secret is tried, and compared in constant time. The length of what is given says which of
//! the two algorithms it is: the processor lets one be changed for the other, and for two weeks both come.

use hmac::{Hmac, Mac};
use hyper::header::HeaderValue;
use sha1::Sha1;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// The header's name.
pub(crate) const HEADER: &str = "x-marqeta-signature";

/// The secrets of one programme; none if its posts are not signed.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn new(secrets: &[String]) -> Secrets {
        Secrets(secrets.to_vec())
    }

    /// Whether the body is signed as it must be.
    pub(crate) fn accept(&self, header: Option<&HeaderValue>, body: &[u8]) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some(given) = header.and_then(|header| decode(header.as_bytes().trim_ascii())) else {
            return false;
        };
        let signed = match given.len() {
            20 => |secret: &[u8], body: &[u8]| sign::<Hmac<Sha1>>(secret, body),
            32 => |secret: &[u8], body: &[u8]| sign::<Hmac<Sha256>>(secret, body),
            _ => return false,
        };
        let found = self
            .0
            .iter()
            .fold(Choice::from(0), |found, secret| found | signed(secret.as_bytes(), body).as_slice().ct_eq(&given));
        bool::from(found)
    }
}

fn sign<M: Mac + hmac::digest::KeyInit>(secret: &[u8], body: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length; an empty signature fits none.
    let Ok(mac) = <M as Mac>::new_from_slice(secret) else {
        return Vec::new();
    };
    mac.chain_update(body).finalize().into_bytes().to_vec()
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // The longest that fits is SHA-256's.
    if text.len() > 64 || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 2202 and RFC 4231, test case 2: key `Jefe`.
    const BODY: &[u8] = b"what do ya want for nothing?";
    const SHA_1: &str = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
    const SHA_256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    fn accepts(secrets: &[&str], header: &str) -> bool {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        Secrets::new(&secrets).accept(Some(&HeaderValue::from_str(header).unwrap()), BODY)
    }

    #[test]
    fn both_algorithms_and_both_secrets_are_taken() {
        for header in [SHA_1, SHA_256, &SHA_256.to_uppercase(), &format!(" {SHA_1} ")] {
            for secrets in [["Jefe", "other"], ["other", "Jefe"]] {
                assert!(accepts(&secrets, header), "{header}");
            }
            assert!(!accepts(&["other"], header), "{header}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let flipped = SHA_256.replace("5b", "5c");
        let long = format!("{SHA_256}00");
        for header in ["", "00", "zz", &SHA_1[..38], &SHA_256[..40], &flipped, &long, &SHA_1[1..]] {
            assert!(!accepts(&["Jefe"], header), "{header}");
        }
        assert!(!Secrets::new(&["Jefe".to_owned()]).accept(None, BODY));
        let header = HeaderValue::from_static(SHA_1);
        assert!(!Secrets::new(&["Jefe".to_owned()]).accept(Some(&header), b"something else"));
    }

    #[test]
    fn without_a_secret_nothing_is_asked() {
        assert!(Secrets::default().accept(None, BODY));
    }
}
