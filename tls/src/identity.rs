//! A certificate in force, and the one that takes its place.

use crate::files::{Contents, Files, Parts};
use crate::names::not_after;
use crate::{Error, Names};
use parking_lot::{Mutex, RwLock};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::SystemTime;

/// Whether callers have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// They are not asked.
    Nobody,
    /// Whoever has one is known by it.
    WhoeverHas,
    /// Who has none is turned away in the handshake.
    Everybody,
}

/// What is spoken inside, agreed on in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, for gRPC.
    Http2,
}

impl Protocol {
    pub(crate) fn names(self) -> Vec<Vec<u8>> {
        match self {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        }
    }
}

/// What came of a look at the files.
#[derive(Debug)]
pub enum Looked {
    /// They are what is in force.
    Same,
    /// They are in force now, for connections that begin now.
    Renewed,
    /// They cannot be used; the old ones stay.
    Unusable(Error),
    /// They are still those that could not be used at the last look.
    StillUnusable,
}

/// A certificate and its key, read from files and read again when they change.
pub struct Identity {
    /// The listener that it belongs to, for messages and metrics.
    name: &'static str,
    files: Files,
    ask: Ask,
    protocol: Protocol,
    current: RwLock<Arc<Current>>,
    /// What could not be used at the last look, so that it is complained of once.
    unusable: Mutex<Option<Unusable>>,
}

#[derive(PartialEq, Eq)]
enum Unusable {
    Unread(String),
    Wrong(Contents),
}

/// What is in force at one time.
pub(crate) struct Current {
    contents: Contents,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) parts: Parts,
    names: Names,
    not_after: SystemTime,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({}, {:?})", self.name, self.files.certificate)
    }
}

impl Identity {
    /// Reads the files. The name is the listener's.
    pub fn open(name: &'static str, files: Files, ask: Ask, protocol: Protocol) -> Result<Identity, Error> {
        let contents = files.read()?;
        let current = RwLock::new(Arc::new(Current::new(&files, contents, ask, protocol)?));
        Ok(Identity { name, files, ask, protocol, current, unusable: Mutex::new(None) })
    }

    /// The listener's.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// When the certificate in force, or one of those that lead to its authority, runs out.
    pub fn not_after(&self) -> SystemTime {
        self.current.read().not_after
    }

    /// For whom the certificate in force is.
    pub fn names(&self) -> Names {
        self.current.read().names.clone()
    }

    /// Reads the files again. New ones are in force for connections that begin afterwards, if all of them fit together;
    /// a renewal that is seen half done is seen whole the next time. Blocks on the disk.
    pub fn look(&self) -> Looked {
        let contents = match self.files.read() {
            Ok(contents) => contents,
            Err(error) => return self.complain(Unusable::Unread(error.to_string()), error),
        };
        if contents == self.current.read().contents {
            *self.unusable.lock() = None;
            return Looked::Same;
        }
        if matches!(&*self.unusable.lock(), Some(Unusable::Wrong(known)) if *known == contents) {
            return Looked::StillUnusable;
        }
        match Current::new(&self.files, contents, self.ask, self.protocol) {
            Ok(current) => {
                *self.current.write() = Arc::new(current);
                *self.unusable.lock() = None;
                Looked::Renewed
            }
            Err((error, contents)) => self.complain(Unusable::Wrong(contents), error),
        }
    }

    fn complain(&self, why: Unusable, error: Error) -> Looked {
        let mut unusable = self.unusable.lock();
        if unusable.as_ref() == Some(&why) {
            return Looked::StillUnusable;
        }
        *unusable = Some(why);
        Looked::Unusable(error)
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.current.read().clone()
    }
}

impl From<(Error, Contents)> for Error {
    fn from((error, _): (Error, Contents)) -> Error {
        error
    }
}

impl Current {
    // The contents come back, so that they are not complained of twice.
    #[allow(clippy::result_large_err)]
    fn new(files: &Files, contents: Contents, ask: Ask, protocol: Protocol) -> Result<Current, (Error, Contents)> {
        match Current::parse(files, &contents, ask, protocol) {
            Ok((server, parts, not_after)) => {
                let names = Names::of(&parts.chain);
                Ok(Current { contents, server: Arc::new(server), parts, names, not_after })
            }
            Err(error) => Err((error, contents)),
        }
    }

    fn parse(
        files: &Files,
        contents: &Contents,
        ask: Ask,
        protocol: Protocol,
    ) -> Result<(ServerConfig, Parts, SystemTime), Error> {
        let parts = files.parse(contents)?;
        let wrong = |problem: &str| Error::new(&files.certificate, problem);
        let not_after = not_after(&parts.chain).ok_or_else(|| wrong("holds a certificate that cannot be read"))?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(|error| wrong(&error.to_string()))?;
        let builder = match verifier(parts.roots.as_ref(), ask) {
            Ok(None) => builder.with_no_client_auth(),
            Ok(Some(verifier)) => builder.with_client_cert_verifier(verifier),
            Err(problem) => return Err(Error::new(files.ca.as_deref().unwrap_or(&files.certificate), problem)),
        };
        let mut server = builder
            .with_single_cert(parts.chain.clone(), parts.key.clone_key())
            .map_err(|error| wrong(&format!("does not go with the key {}: {error}", files.key.display())))?;
        server.alpn_protocols = protocol.names();
        Ok((server, parts, not_after))
    }
}

/// Who must show what, of this authority.
fn verifier(roots: Option<&RootCertStore>, ask: Ask) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let Some(roots) = roots.filter(|_| ask != Ask::Nobody) else {
        return match ask {
            Ask::Nobody => Ok(None),
            Ask::WhoeverHas | Ask::Everybody => Err("an authority is needed to know callers by".to_owned()),
        };
    };
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider());
    let builder = if ask == Ask::WhoeverHas { builder.allow_unauthenticated() } else { builder };
    builder.build().map(|verifier| Some(verifier as Arc<dyn ClientCertVerifier>)).map_err(|error| error.to_string())
}

/// The cryptography, named where it is needed: no state of the process decides over it.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
