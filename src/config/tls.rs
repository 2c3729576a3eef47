//! `[tls]`: certificates of the listeners, and which of them may do without.
//!
//! What must hold: a listener in plain text is at a loopback address, unless somebody has said that it may be
//! elsewhere.

use super::validate::{require, within};
use super::{Config, ConfigError};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tls::{Ask, Files, NodeName};

/// `[tls]`. Files are PEM; they are looked at again while the node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate of every listener that has none of its own, and those that lead from it to its authority.
    /// Default none: such listeners speak plain text. Since 0.1.0.
    pub certificate: PathBuf,
    /// Its private key. Since 0.1.0.
    pub key: PathBuf,
    /// The authority of the nodes' and the operators' certificates. Required where `listen.peer` is in TLS. At
    /// `listen.admin_grpc` it makes operators known by their certificates. Default none. Since 0.1.0.
    pub ca: PathBuf,
    /// Whether listeners in plain text may be at other than loopback addresses. Default false. Since 0.1.0.
    pub insecure: bool,
    /// How often the files of certificates and secrets are looked at. SIGHUP does it at once. Default 10, 1 to 3600.
    /// Since 0.1.0.
    pub look_s: u64,
    /// `listen.jit`. Callers must show a certificate if it has an authority. Since 0.1.0.
    pub jit: TlsListener,
    /// `listen.admin_http`. It never asks for certificates. Since 0.1.0.
    pub admin_http: TlsListener,
    /// `listen.admin_grpc`. Since 0.1.0.
    pub admin_grpc: TlsListener,
    /// `listen.peer`. Since 0.1.0.
    pub peer: TlsListener,
    /// `listen.issuer`. Callers must show a certificate if it has an authority, and credentials all the same.
    /// Since 0.1.0.
    pub issuer: TlsListener,
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            ca: PathBuf::new(),
            insecure: false,
            look_s: 10,
            jit: TlsListener::default(),
            admin_http: TlsListener::default(),
            admin_grpc: TlsListener::default(),
            peer: TlsListener::default(),
            issuer: TlsListener::default(),
        }
    }
}

/// One of `tls.jit`, `tls.admin_http`, `tls.admin_grpc`, `tls.peer` and `tls.issuer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TlsListener {
    /// Its certificate. Default that of `tls`. Since 0.1.0.
    pub certificate: PathBuf,
    /// The key of its certificate. Since 0.1.0.
    pub key: PathBuf,
    /// The authority of those who call. Default that of `tls` for nodes and operators, none for others. Since 0.1.0.
    pub ca: PathBuf,
    /// Speaks plain text, wherever it listens. Default false. Since 0.1.0.
    pub insecure: bool,
}

/// A listener by the end of its setting's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The processor's door.
    Jit,
    /// Probes and metrics.
    AdminHttp,
    /// The operators.
    AdminGrpc,
    /// The other nodes.
    Peer,
    /// The issuer's systems.
    Issuer,
}

impl Listener {
    /// All of them.
    pub const ALL: [Listener; 5] =
        [Listener::Jit, Listener::AdminHttp, Listener::AdminGrpc, Listener::Peer, Listener::Issuer];

    /// As in `listen.jit`, without `listen.`.
    pub fn name(self) -> &'static str {
        match self {
            Listener::Jit => "jit",
            Listener::AdminHttp => "admin_http",
            Listener::AdminGrpc => "admin_grpc",
            Listener::Peer => "peer",
            Listener::Issuer => "issuer",
        }
    }
}

fn given(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

impl Config {
    fn own(&self, listener: Listener) -> &TlsListener {
        match listener {
            Listener::Jit => &self.tls.jit,
            Listener::AdminHttp => &self.tls.admin_http,
            Listener::AdminGrpc => &self.tls.admin_grpc,
            Listener::Peer => &self.tls.peer,
            Listener::Issuer => &self.tls.issuer,
        }
    }

    fn address(&self, listener: Listener) -> &str {
        match listener {
            Listener::Jit => &self.listen.jit,
            Listener::AdminHttp => &self.listen.admin_http,
            Listener::AdminGrpc => &self.listen.admin_grpc,
            Listener::Peer => &self.listen.peer,
            Listener::Issuer => &self.listen.issuer,
        }
    }

    /// The files of a listener, and whom it asks for a certificate; `None`: it speaks plain text, or is off.
    pub fn certificate(&self, listener: Listener) -> Option<(Files, Ask)> {
        let (own, all) = (self.own(listener), &self.tls);
        if own.insecure || self.address(listener).is_empty() {
            return None;
        }
        let (certificate, key) = match given(&own.certificate) {
            Some(certificate) => (certificate, &own.key),
            None => (given(&all.certificate)?, &all.key),
        };
        let (ca, ask) = match listener {
            Listener::AdminHttp => (None, Ask::Nobody),
            Listener::Jit | Listener::Issuer => (given(&own.ca), Ask::Everybody),
            Listener::Peer => (given(&own.ca).or(given(&all.ca)), Ask::Everybody),
            // Operators may show a token instead.
            Listener::AdminGrpc => (given(&own.ca).or(given(&all.ca)), Ask::WhoeverHas),
        };
        let ask = if ca.is_some() { ask } else { Ask::Nobody };
        let (certificate, key, ca) = (certificate.to_owned(), key.to_owned(), ca.map(Path::to_owned));
        Some((Files { certificate, key, ca }, ask))
    }

    /// Whether whoever reaches a listener can hear and say what they like there, in plain text, and nobody said so.
    fn is_exposed(&self, listener: Listener) -> bool {
        let address = self.address(listener);
        let plain = !address.is_empty() && self.certificate(listener).is_none();
        plain && !is_loopback(address) && !self.tls.insecure && !self.own(listener).insecure
    }

    /// How often files that may be renewed are looked at.
    pub fn look_interval(&self) -> Duration {
        Duration::from_secs(self.tls.look_s)
    }

    /// By what this node is called in its certificate: its id or its host, as the others know them.
    pub fn node_parts(&self) -> Vec<String> {
        let own = self.cluster.members.iter().find(|member| member.id == self.node.id);
        let address = own.map_or(&self.cluster.advertise_peer, |member| &member.peer);
        let address = if address.is_empty() { &self.listen.peer } else { address };
        NodeName::parts(self.node.id, address)
    }

    pub(super) fn validate_tls(&self) -> Result<(), ConfigError> {
        let paired = |certificate: &Path, key: &Path| given(certificate).is_some() == given(key).is_some();
        within("tls.look_s", self.tls.look_s, 1..=3600)?;
        require("tls.key", paired(&self.tls.certificate, &self.tls.key), "and tls.certificate belong together")?;
        for listener in Listener::ALL {
            let (own, name) = (self.own(listener), listener.name());
            let field = |key: &str| format!("tls.{name}.{key}");
            let problem = format!("and tls.{name}.certificate belong together");
            require(&field("key"), paired(&own.certificate, &own.key), &problem)?;
            let decided = !own.insecure || given(&own.certificate).or(given(&own.ca)).is_none();
            require(&field("insecure"), decided, "is set, and so are files for it")?;
            let problem = "is of no use without a certificate of the listener";
            let of_use = given(&own.ca).is_none() || self.certificate(listener).is_some() || own.insecure;
            require(&field("ca"), of_use || self.address(listener).is_empty(), problem)?;
            let problem = format!(
                "would be plain text at other than a loopback address: give tls.certificate and tls.key, or say \
                 tls.{name}.insecure = true or tls.insecure = true"
            );
            require(&format!("listen.{name}"), !self.is_exposed(listener), &problem)?;
        }
        require("tls.admin_http.ca", given(&self.tls.admin_http.ca).is_none(), "is not taken: it asks nobody")?;
        if let Some((_, ask)) = self.certificate(Listener::Peer) {
            require("tls.ca", ask == Ask::Everybody, "is required for listen.peer: nodes prove who they are")?;
            let problem = "must be letters, digits, `-`, `.`, `_` and `~`, to stand in the nodes' certificates";
            require("cluster.name", NodeName::can_name(&self.cluster.name), problem)?;
        }
        Ok(())
    }
}

/// Whether only this machine reaches a `HOST:PORT`.
pub(super) fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
        node = { id = 1, data_dir = "/d" }
        programs = [{ name = "first", user = "m", passwords = ["of-first-0123"] }]
    "#;
    const ALL: &str = "tls = { certificate = '/c', key = '/k', ca = '/a' }\n";

    fn load(more: &str) -> Result<Config, String> {
        let text = format!("{BASE}{more}");
        Config::from_text(&text, Path::new("t.toml"), std::iter::empty()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plain_listener_is_at_a_loopback_address_unless_it_is_said_otherwise() {
        for address in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1"] {
            assert!(load(&format!("listen.jit = '{address}'")).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "node-1:1", "localhost.example:1"] {
            for listener in Listener::ALL {
                let name = listener.name();
                let listen = format!(
                    "issuer.credentials = [{{ user = 'u', passwords = ['abcdefghijkl'] }}]\n\
                     admin.tokens = [{{ name = 'n', role = 'viewer', tokens = ['abcdefghijklmnop'] }}]\n\
                     listen.{name} = '{address}'\n"
                );
                let error = load(&listen).unwrap_err();
                assert!(error.starts_with(&format!("listen.{name}: would be plain text")), "{error}");
                for said in ["tls.insecure = true".to_owned(), format!("tls.{name}.insecure = true"), ALL.to_owned()] {
                    assert!(load(&format!("{listen}{said}\n")).is_ok(), "{listen}{said}");
                }
            }
        }
    }

    #[test]
    fn one_certificate_serves_all_listeners_and_each_may_have_its_own() {
        let own = "tls.jit = { certificate = '/jc', key = '/jk', ca = '/ja' }\ntls.admin_http.insecure = true\n";
        let config = load(&format!(
            "tls.certificate = '/c'\ntls.key = '/k'\ntls.ca = '/a'\nlisten.issuer = '0.0.0.0:1'\n{own}\
             issuer.credentials = [{{ user = 'u', passwords = ['abcdefghijkl'] }}]\n"
        ))
        .unwrap();
        let files = |certificate: &str, key: &str, ca: Option<&str>| Files {
            certificate: certificate.into(),
            key: key.into(),
            ca: ca.map(PathBuf::from),
        };
        for (listener, wanted) in [
            (Listener::Jit, Some((files("/jc", "/jk", Some("/ja")), Ask::Everybody))),
            (Listener::AdminHttp, None),
            (Listener::AdminGrpc, Some((files("/c", "/k", Some("/a")), Ask::WhoeverHas))),
            (Listener::Peer, Some((files("/c", "/k", Some("/a")), Ask::Everybody))),
            // The authority of the nodes does not let anybody in here.
            (Listener::Issuer, Some((files("/c", "/k", None), Ask::Nobody))),
        ] {
            assert_eq!(config.certificate(listener), wanted, "{listener:?}");
        }
        assert_eq!(config.node_parts(), ["1", "127.0.0.1"]);
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (text, wanted) in [
            ("tls.look_s = 0", "tls.look_s: 0 is below 1"),
            ("tls.certificate = '/c'", "tls.key: and tls.certificate belong together"),
            ("tls.jit.key = '/k'", "tls.jit.key: and tls.jit.certificate belong together"),
            ("tls.jit = { ca = '/a', insecure = true }", "tls.jit.insecure: is set, and so are files for it"),
            ("tls.jit.ca = '/a'", "tls.jit.ca: is of no use without a certificate of the listener"),
            (
                "tls.admin_http = { certificate = '/c', key = '/k', ca = '/a' }",
                "tls.admin_http.ca: is not taken: it asks nobody",
            ),
            (
                "tls.peer = { certificate = '/c', key = '/k' }",
                "tls.ca: is required for listen.peer: nodes prove who they are",
            ),
            (
                "cluster.name = 'a b'\ntls.peer = { certificate = '/c', key = '/k', ca = '/a' }",
                "cluster.name: must be letters, digits, `-`, `.`, `_` and `~`, to stand in the nodes' certificates",
            ),
        ] {
            assert_eq!(load(text).unwrap_err(), wanted);
        }
    }
}
