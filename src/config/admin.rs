//! `[admin]`: who may use the operators' interface, and as what.

use super::tls::is_loopback;
use super::validate::require;
use super::{Config, ConfigError, Listener, Secret};
use crate::admin::{Access, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// More are not one team.
const NAMES_MAX: usize = 256;

/// `[admin]`: who may use `listen.admin_grpc`. Nobody is named: everybody who reaches it may do anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Who shows a token. Default nobody. Since 0.1.0.
    pub tokens: Vec<AdminToken>,
    /// Who shows a certificate of the authority of `listen.admin_grpc`. Default nobody. Since 0.1.0.
    pub certificates: Vec<AdminCertificate>,
}

/// One of `admin.tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AdminToken {
    /// Who it is, as the log calls them: 1 to 128 printable characters. Required. Since 0.1.0.
    pub name: String,
    /// What they may do: `viewer`, `operator`, `risk` or `admin`. Default `viewer`. Since 0.1.0.
    pub role: Role,
    /// One token, or several while one is being replaced: 16 to 256 printable characters each, at most 8. Required.
    /// Since 0.1.0.
    pub tokens: Vec<Secret>,
}

/// One of `admin.certificates`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AdminCertificate {
    /// An alternative name of the certificate, whole: of a host, a mail address or a URI. Required. Since 0.1.0.
    pub name: String,
    /// What its holder may do. Default `viewer`. Since 0.1.0.
    pub role: Role,
}

impl Config {
    pub(super) fn validate_admin(&self) -> Result<(), ConfigError> {
        let (tokens, certificates) = (&self.admin.tokens, &self.admin.certificates);
        require("admin.tokens", tokens.len() <= NAMES_MAX, "are more than 256")?;
        require("admin.certificates", certificates.len() <= NAMES_MAX, "are more than 256")?;
        let (mut names, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for (index, one) in tokens.iter().enumerate() {
            let field = |name: &str| format!("admin.tokens[{index}].{name}");
            require(&field("name"), named(&one.name), "must be 1 to 128 printable characters")?;
            require(&field("name"), names.insert(&one.name), "is given twice")?;
            require(&field("tokens"), (1..=8).contains(&one.tokens.len()), "must be 1 to 8")?;
            for (number, token) in one.tokens.iter().enumerate() {
                let text = token.reveal();
                let field = field(&format!("tokens[{number}]"));
                let sized = (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                require(&field, sized, "must be 16 to 256 ASCII characters without blanks")?;
                require(&field, taken.insert(text), "is given twice")?;
            }
        }
        let mut names = BTreeSet::new();
        for (index, one) in certificates.iter().enumerate() {
            let field = format!("admin.certificates[{index}].name");
            require(&field, named(&one.name), "must be 1 to 128 printable characters")?;
            require(&field, names.insert(&one.name), "is given twice")?;
        }
        let asked = self.certificate(Listener::AdminGrpc).is_some_and(|(files, _)| files.ca.is_some());
        let problem = "are of no use: listen.admin_grpc has no authority to know them by";
        require("admin.certificates", certificates.is_empty() || asked, problem)?;
        let open = tokens.is_empty() && certificates.is_empty() && !is_loopback(&self.listen.admin_grpc);
        let said = self.tls.insecure || self.tls.admin_grpc.insecure;
        let problem = "and admin.certificates name nobody, and listen.admin_grpc is at other than a loopback address: \
                       everybody there could do anything. Name somebody, or say tls.admin_grpc.insecure = true";
        require("admin.tokens", !open || said, problem)
    }

    /// Who may use the operators' interface.
    pub fn admin_access(&self) -> Access {
        let mut access = Access::default();
        for one in &self.admin.tokens {
            for token in &one.tokens {
                access.token(token.reveal(), &one.name, one.role);
            }
        }
        for one in &self.admin.certificates {
            access.certificate(&one.name, one.role);
        }
        access
    }
}

fn named(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const BASE: &str = r#"
        node = { id = 1, data_dir = "/d" }
        programs = [{ name = "first", user = "m", passwords = ["of-first-0123"] }]
    "#;
    const TLS: &str = "tls = { certificate = '/c', key = '/k', ca = '/a' }\n";

    fn load(more: &str) -> Result<Config, String> {
        let text = format!("{BASE}{more}");
        Config::from_text(&text, Path::new("t.toml"), std::iter::empty()).map_err(|error| error.to_string())
    }

    fn token(name: &str, tokens: &str) -> String {
        format!("[[admin.tokens]]\nname = '{name}'\nrole = 'risk'\ntokens = [{tokens}]\n")
    }

    #[test]
    fn an_interface_for_others_than_this_machine_needs_somebody_who_is_named() {
        let away = format!("{TLS}listen.admin_grpc = '10.0.0.1:1'\n");
        let error = load(&away).unwrap_err();
        assert!(error.starts_with("admin.tokens: and admin.certificates name nobody"), "{error}");
        for named in [
            token("ada", "'0123456789abcdef'"),
            "admin.certificates = [{ name = 'ada', role = 'admin' }]\n".to_owned(),
            "[tls.admin_grpc]\ninsecure = true\n".to_owned(),
        ] {
            let text = if named.starts_with("[tls") {
                format!("listen.admin_grpc = '10.0.0.1:1'\n{named}")
            } else {
                away.clone() + &named
            };
            assert!(load(&text).is_ok(), "{text}: {:?}", load(&text));
        }
        assert!(load(TLS).is_ok(), "on loopback nobody has to be named");
    }

    #[test]
    fn what_is_wrong_is_named_and_tokens_are_masked() {
        let good = "'0123456789abcdef', 'fedcba9876543210'";
        let shown = load(&token("ada", good)).unwrap().render_masked().unwrap();
        assert!(shown.contains("[[admin.tokens]]") && !shown.contains("0123456789abcdef"), "{shown}");
        for (text, wanted) in [
            (token("", good), "admin.tokens[0].name: must be 1 to 128 printable characters"),
            (token("ada", ""), "admin.tokens[0].tokens: must be 1 to 8"),
            (token("ada", "'short'"), "admin.tokens[0].tokens[0]: must be 16 to 256 ASCII characters without blanks"),
            (token("ada", good) + &token("eve", good), "admin.tokens[1].tokens[0]: is given twice"),
            (
                token("ada", "'0123456789abcdef'").replace("risk", "root"),
                "admin.tokens[0].role: unknown variant `root`, expected one of `viewer`, `operator`, `risk`, `admin`",
            ),
            (
                "admin.certificates = [{ name = 'ada', role = 'admin' }]".to_owned(),
                "admin.certificates: are of no use: listen.admin_grpc has no authority to know them by",
            ),
        ] {
            assert_eq!(load(&text).unwrap_err(), wanted);
        }
    }
}
