//! With what an operator comes to a node: whom they believe, and how they prove who they are.
//!
//! What must hold: an endpoint is spoken to in TLS if an authority is given, unless it begins with `http://`; one that
//! begins with `https://` in no other way. A token is read from a file, so that no list of processes shows it.

use super::Failure;
use std::path::{Path, PathBuf};
use tls::Protocol;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// A token has some dozen characters.
const TOKEN_BYTES_MAX: usize = 4096;

/// What can be typed about it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct AccessArgs {
    /// Authority of the nodes' certificates (PEM): TLS is spoken, but for endpoints that begin with `http://`
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CA", global = true)]
    ca: Option<PathBuf>,
    /// Certificate to show (PEM)
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CERT", global = true)]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CERT_KEY", global = true)]
    cert_key: Option<PathBuf>,
    /// File with the token to show
    #[arg(long, value_name = "FILE", env = "HOLDFAST_TOKEN_FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Why something is changed: it stands in the nodes' log
    #[arg(long, value_name = "TEXT", env = "HOLDFAST_REASON", global = true)]
    reason: Option<String>,
}

/// The same, with the files read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(super) tls: Option<tls::Client>,
    pub(super) badge: Badge,
}

/// What goes with every call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Badge {
    token: Option<MetadataValue<Ascii>>,
    reason: Option<MetadataValue<tonic::metadata::Binary>>,
}

impl AccessArgs {
    /// Reads the files.
    pub(crate) fn read(&self) -> Result<Access, Failure> {
        let tls = match (&self.ca, &self.cert, &self.cert_key) {
            (Some(ca), cert, key) => {
                let own = match (cert.as_deref(), key.as_deref()) {
                    (Some(cert), Some(key)) => Some((cert, key)),
                    (None, None) => None,
                    _ => return Err(Failure::Usage("--cert and --cert-key belong together".to_owned())),
                };
                let client = tls::Client::open(ca, own, Protocol::Http2);
                Some(client.map_err(|error| Failure::Usage(error.to_string()))?)
            }
            (None, None, None) => None,
            (None, ..) => return Err(Failure::Usage("--cert and --cert-key need --ca".to_owned())),
        };
        let token = self.token_file.as_deref().map(token).transpose()?;
        let reason = self.reason.as_deref().map(|reason| MetadataValue::from_bytes(reason.as_bytes()));
        Ok(Access { tls, badge: Badge { token, reason } })
    }
}

fn token(path: &Path) -> Result<MetadataValue<Ascii>, Failure> {
    let wrong = |problem: &str| Failure::Usage(format!("--token-file {}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    if text.len() > TOKEN_BYTES_MAX || text.trim().is_empty() {
        return Err(wrong("holds no token"));
    }
    let mut value = MetadataValue::try_from(format!("Bearer {}", text.trim())).map_err(|_| wrong("holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Interceptor for Badge {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(reason) = &self.reason {
            // Binary, because people write in all languages.
            request.metadata_mut().insert_bin("holdfast-reason-bin", reason.clone());
        }
        Ok(request)
    }
}
