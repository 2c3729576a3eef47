//! What the processor shows at the door: who it is, and for reports a signature.

use super::scenario::Path;
use crate::config::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What is shown, by what is sent.
pub(super) struct Access {
    requests: String,
    reports: String,
    secret: Option<Secret>,
}

impl Access {
    /// Reports come with the credentials of requests unless they have their own.
    pub(super) fn new(requests: (&str, &Secret), reports: Option<(&str, &Secret)>, secret: Option<Secret>) -> Access {
        let basic = |(user, password): (&str, &Secret)| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
        };
        Access { requests: basic(requests), reports: basic(reports.unwrap_or(requests)), secret }
    }

    /// The headers of a message.
    pub(super) fn headers(&self, path: Path, body: &str) -> Vec<(&'static str, String)> {
        let authorization = match path {
            Path::Jit => &self.requests,
            Path::Webhooks => &self.reports,
        };
        let mut headers =
            vec![("Content-Type", "application/json".to_owned()), ("Authorization", authorization.clone())];
        if let (Path::Webhooks, Some(secret)) = (path, &self.secret) {
            headers.extend(signature(secret, body).map(|signature| ("X-Marqeta-Signature", signature)));
        }
        headers
    }
}

/// HMAC takes a key of any length, so there always is one.
fn signature(secret: &Secret, body: &str) -> Option<String> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).ok()?;
    let bytes = mac.chain_update(body).finalize().into_bytes();
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_are_signed() {
        let secret = |text: &str| Secret::new(text);
        // From RFC 4231, test case 2.
        let access = Access::new(("a", &secret("b")), Some(("c", &secret("d"))), Some(secret("Jefe")));
        let body = "what do ya want for nothing?";
        let reports = access.headers(Path::Webhooks, body);
        let signed = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!((reports[1].1.as_str(), reports[2].1.as_str()), ("Basic Yzpk", signed));
        let requests = access.headers(Path::Jit, body);
        assert_eq!((requests.len(), requests[1].1.as_str()), (2, "Basic YTpi"));
        let plain = Access::new(("a", &secret("b")), None, None);
        assert_eq!(plain.headers(Path::Webhooks, body), plain.headers(Path::Jit, body));
    }
}
