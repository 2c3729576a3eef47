//! What each listener of a node speaks, and the certificates that it speaks with: opened at the start, and looked at
//! again while the node runs.

use crate::config::{Config, Listener};
use crate::node::BringUpError;
use std::sync::Arc;
use std::time::SystemTime;
use tls::{Identity, Looked, Peers, Protocol, Wire};

/// What the listeners of a node speak.
pub struct Secure {
    /// At `listen.jit`.
    pub jit: Wire,
    /// At `listen.admin_http`.
    pub admin_http: Wire,
    /// At `listen.admin_grpc`.
    pub admin_grpc: Wire,
    /// At `listen.issuer`.
    pub issuer: Wire,
    /// Among nodes; `None`: plain text.
    pub peers: Option<Peers>,
    /// All that there are, to be looked at again.
    pub certificates: Certificates,
}

/// The certificates of a node, one for each listener in TLS.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Vec<Arc<Identity>>);

impl Secure {
    /// Reads all files. A node does not start with one that cannot be used.
    pub fn open(config: &Config) -> Result<Secure, BringUpError> {
        let mut all = Vec::new();
        let mut open = |listener: Listener| -> Result<Option<Arc<Identity>>, BringUpError> {
            let Some((files, ask)) = config.certificate(listener) else { return Ok(None) };
            let protocol = match listener {
                Listener::Jit | Listener::AdminHttp => Protocol::Http1,
                Listener::AdminGrpc | Listener::Peer | Listener::Issuer => Protocol::Http2,
            };
            let opened = Identity::open(listener.name(), files, ask, protocol);
            let identity = Arc::new(opened.map_err(|error| failed(listener, error.to_string()))?);
            all.push(identity.clone());
            Ok(Some(identity))
        };
        let wire = |identity: Option<Arc<Identity>>| identity.map_or(Wire::Plain, Wire::Tls);
        let peers =
            open(Listener::Peer)?.map(|identity| Peers::new(identity, &config.cluster.name, &config.node_parts()));
        let secure = Secure {
            jit: wire(open(Listener::Jit)?),
            admin_http: wire(open(Listener::AdminHttp)?),
            admin_grpc: wire(open(Listener::AdminGrpc)?),
            issuer: wire(open(Listener::Issuer)?),
            peers: peers.transpose().map_err(|problem| failed(Listener::Peer, problem))?,
            certificates: Certificates(all),
        };
        if let Some((listener, end)) = secure.certificates.first_to_end() {
            let days = end.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() / 86_400);
            tracing::info!(listener, days, "days until the first certificate runs out");
        }
        Ok(secure)
    }
}

fn failed(listener: Listener, problem: String) -> BringUpError {
    BringUpError::Certificate { listener: listener.name(), problem }
}

impl Certificates {
    /// When each runs out, by listener.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, SystemTime)> {
        self.0.iter().map(|identity| (identity.name(), identity.not_after()))
    }

    /// The listener whose certificate runs out first, and when; `None` where all speak plain text.
    pub fn first_to_end(&self) -> Option<(&'static str, SystemTime)> {
        self.ends().min_by_key(|(_, end)| *end)
    }

    /// Reads the files of all again, and says what came of it. Blocks on the disk.
    pub fn look(&self) {
        for identity in &self.0 {
            let listener = identity.name();
            match identity.look() {
                Looked::Same | Looked::StillUnusable => {}
                Looked::Renewed => {
                    let names = identity.names();
                    let names = names.iter().collect::<Vec<_>>().join(", ");
                    tracing::info!(listener, names, "a new certificate is in force");
                }
                Looked::Unusable(error) => {
                    tracing::error!(listener, %error, "a new certificate cannot be used: the old one stays in force");
                }
            }
        }
    }
}
