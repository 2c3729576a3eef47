//! Who calls: by a token, or by the certificate of the connection.
//!
//! What must hold: tokens are kept as digests only, and compared in constant time; a wrong token is refused, whatever
//! certificate comes with it. Where nobody is named, everybody may do anything, which the configuration allows on
//! loopback alone unless it is told so.

use super::Role;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tls::Names;

/// Somebody, as the log calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
}

/// Why nobody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Nothing was shown.
    Nothing,
    /// A token that nobody has, or a certificate of nobody who is named.
    Wrong,
}

/// Who may come, and as what.
#[derive(Clone, Default)]
pub struct Access {
    tokens: Vec<([u8; 32], Principal)>,
    certificates: Vec<Principal>,
}

impl Access {
    /// Somebody with this token.
    pub fn token(&mut self, token: &str, name: &str, role: Role) {
        self.tokens.push((Sha256::digest(token).into(), Principal { name: name.into(), role }));
    }

    /// Somebody with a certificate that has this alternative name.
    pub fn certificate(&mut self, name: &str, role: Role) {
        self.certificates.push(Principal { name: name.into(), role });
    }

    /// Who it is that shows this `authorization` and this certificate.
    pub(super) fn identify(&self, header: Option<&[u8]>, names: Option<&Names>) -> Result<Principal, Unknown> {
        if self.tokens.is_empty() && self.certificates.is_empty() {
            return Ok(Principal { name: "anybody".into(), role: Role::Admin });
        }
        if let Some(header) = header {
            return self.by_token(header).ok_or(Unknown::Wrong);
        }
        let named = |names: &Names| {
            let found = self.certificates.iter().find(|one| names.iter().any(|name| name == &*one.name));
            found.cloned().ok_or(Unknown::Wrong)
        };
        names.map_or(Err(Unknown::Nothing), named)
    }

    fn by_token(&self, header: &[u8]) -> Option<Principal> {
        let (scheme, token) = header.split_at_checked(7).unwrap_or_default();
        let given: [u8; 32] = Sha256::digest(token.trim_ascii()).into();
        let mut found = None;
        for (digest, principal) in &self.tokens {
            if bool::from(digest.ct_eq(&given)) {
                found = Some(principal);
            }
        }
        found.filter(|_| scheme.eq_ignore_ascii_case(b"bearer ")).cloned()
    }
}
