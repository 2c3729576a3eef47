//! Words for tests.

use super::Word;
use ledger::{Amount, Attempt, Authorize, Currency, Fingerprint, Program, RequestKind, Token, UserToken, Void};

pub(crate) fn authorize(token: &str, counter: u64, minor: u64) -> Authorize {
    Authorize {
        program: Program::new("default").unwrap(),
        attempt: Attempt { node: 1, incarnation: 1, counter },
        token: Token::new(token).unwrap(),
        fingerprint: Fingerprint([7; 16]),
        kind: RequestKind::Authorization,
        user: UserToken::new("u-1").unwrap(),
        amount: Amount::new(minor, Currency::from_code("USD").unwrap()).unwrap(),
        transaction: None,
        original: None,
        preceding: None,
        expires_after: None,
        facts: None,
    }
}

pub(crate) fn void(token: &str, counter: u64) -> Void {
    let of = authorize(token, counter, 0);
    Void { program: of.program, attempt: of.attempt, token: of.token, fingerprint: of.fingerprint }
}

pub(crate) fn approved(token: &str, minor: u64) -> Word {
    Word::Approved(Box::new(authorize(token, 1, minor)))
}

pub(crate) fn declined(token: &str) -> Word {
    Word::Declined(void(token, 1))
}
