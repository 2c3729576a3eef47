//! What each node is told, worked out and checked before anything is written.
//!
//! What must hold: the environment may turn any setting but those that `up` itself relies on (who the nodes are, where
//! their files are, where they listen). So `up` never waits at an address at which nobody listens.

use super::ports::Ports;
use super::refusal::Refusal;
use crate::config::{Config, Secret};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The user that the processor has in `up`.
const USER: &str = "marqeta";
/// The user of the issuer's interface, with the same password.
pub(super) const ISSUER: &str = "issuer";
/// Not a secret: it is printed, and guards a cluster on loopback.
const PASSWORD: &str = "holdfast-dev-Password1!";
/// How many demo accounts there are.
pub(super) const DEMO_ACCOUNTS: u32 = 100;

/// One node, ready to be started.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) id: u16,
    pub(super) ports: Ports,
    /// The text of its file, and the file.
    pub(super) text: String,
    pub(super) file: PathBuf,
    /// Where its standard output and error go.
    pub(super) log: PathBuf,
}

/// Who may ask, after the environment has had its say.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) program: String,
    pub(super) user: String,
    pub(super) password: Secret,
}

/// What all nodes share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) dir: &'a Path,
    pub(super) cluster: &'a str,
    pub(super) nodes: u16,
    pub(super) port_base: u16,
}

/// Works out every node, and checks each with this environment.
pub(super) fn plan(shape: Shape<'_>, env: &[(String, String)]) -> Result<(Vec<Planned>, Client), Refusal> {
    let mut planned = Vec::new();
    let mut client = None;
    for id in 1..=shape.nodes {
        let text = text(shape, id)?;
        let file = shape.dir.join(format!("node-{id}.toml"));
        let own = Config::from_text(&text, &file, std::iter::empty()).map_err(wrong)?;
        let config = Config::from_text(&text, &file, env.iter().cloned()).map_err(wrong)?;
        let ours = [
            ("node", own.node == config.node),
            ("cluster", own.cluster == config.cluster),
            ("listen", own.listen == config.listen),
            ("tls", own.tls == config.tls),
            ("dev", own.dev == config.dev),
        ];
        if let Some((section, _)) = ours.into_iter().find(|(_, same)| !same) {
            let prefix = section.to_uppercase();
            return Err(Refusal::Wrong(format!("`up` sets [{section}] itself: unset HOLDFAST__{prefix}__…")));
        }
        let first = config.programs.first().and_then(|program| Some((program, program.passwords.first()?)));
        client = first.map(|(program, password)| Client {
            program: program.name.clone(),
            user: program.user.clone(),
            password: password.clone(),
        });
        let log = shape.dir.join(format!("node-{id}.log"));
        planned.push(Planned { id, ports: Ports::new(shape.port_base, id), text, file, log });
    }
    let client = client.ok_or_else(|| Refusal::Wrong("there is nobody who may ask".to_owned()))?;
    Ok((planned, client))
}

fn wrong(error: crate::config::ConfigError) -> Refusal {
    Refusal::Wrong(error.to_string())
}

/// One node's file.
fn text(shape: Shape<'_>, id: u16) -> Result<String, Refusal> {
    let Some(data_dir) = shape.dir.join(format!("node-{id}")).to_str().map(quote) else {
        return Err(Refusal::Wrong(format!("{} is not UTF-8", shape.dir.display())));
    };
    let ports = Ports::new(shape.port_base, id);
    let Ports { peer, jit, admin_http, admin_grpc, issuer } = ports;
    let (cluster, user, password) = (quote(shape.cluster), quote(USER), quote(PASSWORD));
    let mut members = String::new();
    for member in 1..=shape.nodes {
        let Ports { peer, admin_grpc, .. } = Ports::new(shape.port_base, member);
        // Writing to a string does not fail.
        let _ = writeln!(members, "    {{ id = {member}, peer = \"{peer}\", admin = \"{admin_grpc}\" }},");
    }
    Ok(format!(
        r#"# Written by `holdfast up` at each start. Change a setting with HOLDFAST__SECTION__KEY in its environment.

[node]
id = {id}
data_dir = {data_dir}

[cluster]
id = {cluster}
bootstrap = true
members = [
{members}]

[listen]
jit = "{jit}"
admin_http = "{admin_http}"
admin_grpc = "{admin_grpc}"
peer = "{peer}"
issuer = "{issuer}"

[[programs]]
name = "default"
user = {user}
passwords = [{password}]

[[issuer.credentials]]
user = "{ISSUER}"
passwords = [{password}]

[dev]
demo_accounts = {DEMO_ACCOUNTS}
"#
    ))
}

/// As a TOML string.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(dir: &str, env: &[(&str, &str)]) -> Result<(Vec<Planned>, Client), Refusal> {
        let shape = Shape { dir: Path::new(dir), cluster: "000102030405060708090a0b0c0d0e0f", nodes: 3, port_base: 0 };
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        plan(shape, &env)
    }

    #[test]
    fn each_node_is_told_who_and_where_it_is() {
        let (nodes, client) = planned("/d/it's \"here\"\\", &[]).unwrap();
        let second = Config::from_text(&nodes[1].text, &nodes[1].file, std::iter::empty()).unwrap();
        assert_eq!(second.node.id, 2);
        assert_eq!(second.node.data_dir, Path::new("/d/it's \"here\"\\/node-2"));
        assert_eq!(second.listen.jit, "127.0.0.1:8442");
        assert_eq!(second.cluster.members[2].peer, "127.0.0.1:7443");
        assert_eq!(second.cluster.members[2].admin, "127.0.0.1:9543");
        assert_eq!(second.listen.issuer, "127.0.0.1:9642");
        assert_eq!((second.issuer()[0].name.as_str(), second.issuer()[0].user.as_str()), ("default", "issuer"));
        assert_eq!(second.dev.demo_accounts, 100);
        assert!(second.cluster.bootstrap);
        assert_eq!((client.user.as_str(), client.password.reveal()), ("marqeta", "holdfast-dev-Password1!"));
    }

    #[test]
    fn the_environment_may_turn_what_up_does_not_rely_on() {
        let programs = "[{name = 'mine', user = 'me', passwords = ['123456789012']}]";
        let env = [("HOLDFAST__JIT__DEADLINE_MS", "700"), ("HOLDFAST__PROGRAMS", programs)];
        let (_, client) = planned("/d", &env).unwrap();
        assert_eq!((client.program.as_str(), client.user.as_str()), ("mine", "me"));
        for (name, value, expected) in [
            ("HOLDFAST__NODE__ID", "2", "`up` sets [node] itself: unset HOLDFAST__NODE__…"),
            ("HOLDFAST__LISTEN__JIT", "127.0.0.1:1", "`up` sets [listen] itself: unset HOLDFAST__LISTEN__…"),
            ("HOLDFAST__TLS__INSECURE", "true", "`up` sets [tls] itself: unset HOLDFAST__TLS__…"),
            ("HOLDFAST__DEV__DEMO_ACCOUNTS", "3", "`up` sets [dev] itself: unset HOLDFAST__DEV__…"),
            ("HOLDFAST__JIT__DEADLINE_MS", "5", "jit.deadline_ms: 5 is below 50"),
            ("HOLDFAST__X__Y", "5", "HOLDFAST__X__Y: overrides no key that there is"),
        ] {
            assert_eq!(planned("/d", &[(name, value)]).unwrap_err(), Refusal::Wrong(expected.to_owned()));
        }
    }
}
