//! `[issuer]`: who may use the issuer's interface, and for which programme.

use super::validate::require;
use super::{Config, ConfigError, IssuerCredentials, Secret};
use std::collections::BTreeSet;

/// More are not one issuer.
const CREDENTIALS_MAX: usize = 64;

impl Config {
    pub(super) fn validate_issuer(&self) -> Result<(), ConfigError> {
        let all = &self.issuer.credentials;
        let told = self.listen.issuer.is_empty() || !all.is_empty();
        require("issuer.credentials", told, "are missing: listen.issuer is set, and nobody could use it")?;
        require("issuer.credentials", all.len() <= CREDENTIALS_MAX, "are more than 64")?;
        // Whoever may ask for a decision must not be able to move money as well.
        let mut taken: BTreeSet<(&str, &str)> = BTreeSet::new();
        for program in &self.programs {
            taken.extend(program.passwords.iter().map(|password| (program.user.as_str(), password.reveal())));
            let reports = program.webhook_passwords.iter();
            taken.extend(reports.map(|password| (program.webhook_user.as_str(), password.reveal())));
        }
        for (index, one) in all.iter().enumerate() {
            let field = |name: &str| format!("issuer.credentials[{index}].{name}");
            let user = printable(&one.user, 1, 128) && !one.user.contains(':');
            require(&field("user"), user, "must be 1 to 128 printable characters without a colon")?;
            let known = one.program.is_empty() || self.programs.iter().any(|program| program.name == one.program);
            require(&field("program"), known, "is none of programs[].name")?;
            require(&field("passwords"), (1..=8).contains(&one.passwords.len()), "must be 1 to 8")?;
            for (number, password) in one.passwords.iter().enumerate() {
                let field = field(&format!("passwords[{number}]"));
                let sized = printable(password.reveal(), 12, 256);
                require(&field, sized, "must be 12 to 256 printable characters")?;
                let new = taken.insert((&one.user, password.reveal()));
                require(&field, new, "is given twice for this user, here or in programs")?;
            }
        }
        Ok(())
    }

    /// Who may use the issuer's interface: the programme of each, its user and its passwords.
    pub fn issuer(&self) -> Vec<gateway::ProgramConfig> {
        let first = self.programs.first().map(|program| program.name.as_str()).unwrap_or_default();
        let one = |one: &IssuerCredentials| gateway::ProgramConfig {
            name: if one.program.is_empty() { first } else { &one.program }.to_owned(),
            user: one.user.clone(),
            passwords: one.passwords.iter().map(|secret: &Secret| secret.reveal().to_owned()).collect(),
        };
        self.issuer.credentials.iter().map(one).collect()
    }
}

fn printable(text: &str, least: usize, most: usize) -> bool {
    text.chars().count() >= least && text.len() <= most && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const BASE: &str = r#"
        node = { id = 1, data_dir = "/d" }
        listen.issuer = "127.0.0.1:9641"
        programs = [
            { name = "first", user = "m", passwords = ["of-first-0123"] },
            { name = "second", user = "m", passwords = ["of-second-0123"], webhook_user = "hook",
              webhook_passwords = ["of-hook-0123"] },
        ]
    "#;

    fn load(more: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_text(&format!("{BASE}{more}"), Path::new("test.toml"), env).map_err(|error| error.to_string())
    }

    fn credentials(user: &str, passwords: &str, more: &str) -> String {
        format!("[[issuer.credentials]]\nuser = '{user}'\npasswords = [{passwords}]\n{more}\n")
    }

    #[test]
    fn credentials_speak_for_a_programme() {
        let two = credentials("issuer", "'abcdefghijkl', 'bcdefghijklm'", "")
            + &credentials("issuer", "'cdefghijklmn'", "program = 'second'");
        let config = load(&two, &[]).unwrap();
        let shown = config.render_masked().unwrap();
        assert!(shown.contains("[[issuer.credentials]]") && !shown.contains("abcdefghijkl"), "{shown}");
        let named: Vec<_> = config.issuer().into_iter().map(|one| (one.name, one.passwords.len())).collect();
        assert_eq!(named, [("first".to_owned(), 2), ("second".to_owned(), 1)]);

        let env = [("HOLDFAST__ISSUER__CREDENTIALS", "[{user = 'u', passwords = ['abcdefghijkl']}]")];
        assert_eq!(load("", &env).unwrap().issuer()[0].user, "u");
    }

    #[test]
    fn without_the_listener_nothing_is_needed() {
        let off = [("HOLDFAST__LISTEN__ISSUER", "")];
        assert!(load("", &off).unwrap().issuer().is_empty());
        let missing = "issuer.credentials: are missing: listen.issuer is set, and nobody could use it";
        assert_eq!(load("", &[]).unwrap_err(), missing);
        for (address, problem) in [("9641", "must be HOST:PORT"), ("127.0.0.1:9541", "is the address of another")] {
            let error = load("", &[("HOLDFAST__LISTEN__ISSUER", address)]).unwrap_err();
            assert!(error.starts_with(&format!("listen.issuer: {problem}")), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = "'abcdefghijkl'";
        let twice = "is given twice for this user, here or in programs";
        for (user, passwords, more, wanted) in [
            ("", good, "", "user: must be 1 to 128 printable characters without a colon"),
            ("a:b", good, "", "user: must be 1 to 128 printable characters without a colon"),
            ("u", "", "", "passwords: must be 1 to 8"),
            ("u", "'short'", "", "passwords[0]: must be 12 to 256 printable characters"),
            ("u", "'abcdefghijkl', 'abcdefghijkl'", "", &format!("passwords[1]: {twice}")),
            ("m", "'of-second-0123'", "", &format!("passwords[0]: {twice}")),
            ("hook", "'of-hook-0123'", "", &format!("passwords[0]: {twice}")),
            ("u", good, "program = 'third'", "program: is none of programs[].name"),
            (
                "u",
                good,
                "colour = 'red'",
                "colour: unknown field `colour`, expected one of `user`, `passwords`, `program`",
            ),
        ] {
            let error = load(&credentials(user, passwords, more), &[]).unwrap_err();
            assert_eq!(error, format!("issuer.credentials[0].{wanted}"));
        }
    }
}
