//! HTTP Basic, in constant time.
//!
//! What must hold: however wrong a credential is, the same work is done: one digest of what was sent, compared with
//! the digest of every user and password of every programme. Passwords are kept as digests only.

use crate::config::ProgramConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::{IdError, Program};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The longest `user:password` that is looked at: 128 + 1 + 256 fit, see [`crate::Config`].
const PLAIN_BYTES_MAX: usize = 512;

/// Who may speak for which programme.
pub struct Credentials(Vec<(Program, [u8; 32])>);

impl Credentials {
    /// The users and passwords of these; a programme may stand in several, under different users.
    pub fn new(programs: &[ProgramConfig]) -> Result<Self, IdError> {
        let mut all = Vec::new();
        for program in programs {
            let name = Program::new(&program.name)?;
            for password in &program.passwords {
                all.push((name, Sha256::digest(format!("{}:{password}", program.user)).into()));
            }
        }
        Ok(Credentials(all))
    }

    /// The programme that the `Authorization` header speaks for.
    pub fn check(&self, header: Option<&[u8]>) -> Option<Program> {
        let mut plain = [0; PLAIN_BYTES_MAX];
        // What cannot be read is compared too, as the empty text, which no programme has: a colon is always in it.
        let len = header.and_then(|header| decode(header, &mut plain)).unwrap_or(0);
        let given: [u8; 32] = Sha256::digest(&plain[..len]).into();
        let mut program = None;
        for (name, digest) in &self.0 {
            if bool::from(digest.ct_eq(&given)) {
                program = Some(*name);
            }
        }
        program
    }
}

fn decode(header: &[u8], plain: &mut [u8]) -> Option<usize> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode_slice(encoded.trim_ascii(), plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str) -> Option<String> {
        let program = |name: &str, user: &str, passwords: &[&str]| ProgramConfig {
            name: name.into(),
            user: user.into(),
            passwords: passwords.iter().map(|password| (*password).to_owned()).collect(),
        };
        let programs = [program("first", "marqeta", &["old", "new:er"]), program("second", "other", &["old"])];
        let credentials = Credentials::new(&programs).unwrap();
        credentials.check(Some(header.as_bytes())).map(|program| program.to_string())
    }

    fn basic(plain: &str) -> String {
        format!("Basic {}", STANDARD.encode(plain))
    }

    #[test]
    fn each_password_of_each_programme_names_it() {
        assert_eq!(check(&basic("marqeta:old")).as_deref(), Some("first"));
        assert_eq!(check(&basic("marqeta:new:er")).as_deref(), Some("first"));
        assert_eq!(check(&basic("other:old")).as_deref(), Some("second"));
        assert_eq!(check(&basic("other:old").replace("Basic", "bASIC")).as_deref(), Some("second"));
    }

    #[test]
    fn anything_else_names_nobody() {
        for plain in
            ["", ":", "marqeta:", "marqeta:ol", "marqeta:old ", "other:new:er", "Marqeta:old", &"x".repeat(9000)]
        {
            assert_eq!(check(&basic(plain)), None, "{plain}");
        }
        for header in ["", "Basic", "Basic ", "Basic !!!", "Bearer bWFycWV0YTpvbGQ=", "bWFycWV0YTpvbGQ="] {
            assert_eq!(check(header), None, "{header}");
        }
        assert_eq!(Credentials::new(&[]).unwrap().check(None), None);
    }
}
