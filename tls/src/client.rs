//! The caller's side of a connection.

use crate::files::{authority, read};
use crate::identity::{Protocol, provider};
use crate::{Error, Identity, Stream};
use hyper::Uri;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};
use tower::Service;

/// By what the called one is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Its certificate is for the host that was called.
    Host,
    /// Its certificate is of the authority; the caller looks at its names itself.
    Names,
}

/// How somebody who is no node calls: an operator, a probe, a load driver.
#[derive(Clone)]
pub struct Client {
    roots: Arc<RootCertStore>,
    own: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    protocol: Protocol,
    /// In place of the host that is called.
    expected: Option<Arc<str>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} authorities)", self.roots.len())
    }
}

impl Client {
    /// Believes whom this authority has signed, and shows a certificate with its key if there is one.
    pub fn open(ca: &Path, own: Option<(&Path, &Path)>, protocol: Protocol) -> Result<Client, Error> {
        let roots = Arc::new(authority(ca, &read(ca)?)?);
        let own_path = own.map(|(certificate, _)| certificate);
        let own = own.map(|(certificate, key)| -> Result<_, Error> {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
            let chain = chain.map_err(|_| Error::new(certificate, "is not PEM"))?;
            let secret = PrivateKeyDer::from_pem_slice(&read(key)?);
            let secret = secret.map_err(|_| Error::new(key, "holds no private key as PEM"))?;
            Ok((chain, Arc::new(secret)))
        });
        let client = Client { roots, own: own.transpose()?, protocol, expected: None };
        // A certificate that does not go with its key is said at once.
        let shown = own_path.unwrap_or(ca);
        client.config(Trust::Host).map_err(|error| Error::new(shown, error.to_string()))?;
        Ok(client)
    }

    /// The same caller with another protocol inside.
    pub fn speaking(&self, protocol: Protocol) -> Client {
        Client { protocol, ..self.clone() }
    }

    /// Calls as a node, which shows the certificate that it listens with.
    pub(crate) fn as_node(identity: &Identity) -> io::Result<Client> {
        let current = identity.current();
        let roots = current.parts.roots.clone().ok_or_else(|| io::Error::other("a node without an authority"))?;
        let own = (current.parts.chain.clone(), Arc::new(current.parts.key.clone_key()));
        Ok(Client { roots: Arc::new(roots), own: Some(own), protocol: Protocol::Http2, expected: None })
    }

    /// Expects certificates for this host, whatever is called.
    pub fn expecting(self, host: &str) -> Client {
        Client { expected: Some(host.into()), ..self }
    }

    /// Connects to `HOST:PORT`; the certificate there must be for that host, or for the one that is expected. The
    /// caller bounds the wait.
    pub async fn connect(&self, address: &str) -> io::Result<Stream> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let expected = self.expected.as_deref().unwrap_or(host);
        self.greet(TcpStream::connect(address).await?, expected, Trust::Host).await
    }

    pub(crate) async fn greet(&self, stream: TcpStream, host: &str, trust: Trust) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host} is no host")))?;
        let connector = TlsConnector::from(Arc::new(self.config(trust).map_err(io::Error::other)?));
        Ok(Stream::tls(TlsStream::Client(connector.connect(name, stream).await?)))
    }

    fn config(&self, trust: Trust) -> Result<ClientConfig, rustls::Error> {
        let builder =
            ClientConfig::builder_with_provider(provider()).with_protocol_versions(rustls::DEFAULT_VERSIONS)?;
        let builder = match trust {
            Trust::Host => {
                let verifier = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider()).build();
                let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
                builder.with_webpki_verifier(verifier)
            }
            Trust::Names => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(OfAuthority(self.roots.clone())))
            }
        };
        let mut config = match &self.own {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocol.names();
        Ok(config)
    }
}

/// The certificate is of the authority and in its time; for whom it is, is looked at afterwards.
#[derive(Debug)]
struct OfAuthority(Arc<RootCertStore>);

impl ServerCertVerifier for OfAuthority {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = provider().signature_verification_algorithms;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.0, intermediates, now, algorithms.all)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// For a gRPC channel: calls this for each connection, with `HOST:PORT`.
pub fn connector<F, T, S>(
    connect: F,
) -> impl Service<Uri, Response = TokioIo<S>, Error = io::Error, Future: Send> + Clone + Send + 'static
where
    F: Fn(String) -> T + Clone + Send + 'static,
    T: Future<Output = io::Result<S>> + Send + 'static,
    S: 'static,
{
    tower::service_fn(move |uri: Uri| {
        let address = uri.authority().map(|authority| authority.as_str().to_owned());
        let connecting = address.map(&connect);
        async move {
            let connecting = connecting.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address"))?;
            connecting.await.map(TokioIo::new)
        }
    })
}
