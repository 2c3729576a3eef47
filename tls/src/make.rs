//! Certificates to try things out with: an authority, and what it signs. Production has its own authority.

use crate::NodeName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Not before now: clocks of two machines differ.
const SLACK: Duration = Duration::from_secs(3600);

/// An authority, with its key in memory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// For whom a certificate is.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// What people read.
    pub name: String,
    /// Names of hosts, or of operators' systems.
    pub dns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// The node, if it is one.
    pub node: Option<NodeName>,
}

impl Made {
    /// Writes `NAME.crt` and `NAME.key` into a directory; the key for its owner only.
    pub fn write(&self, dir: &Path, name: &str) -> io::Result<()> {
        std::fs::write(dir.join(format!("{name}.crt")), &self.certificate)?;
        let key = dir.join(format!("{name}.key"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(key)?;
        file.write_all(self.key.as_bytes())
    }
}

/// A name that cannot stand in a certificate, or a key that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("make a certificate: {0}")]
pub struct MakeError(#[from] rcgen::Error);

impl Authority {
    /// A new one, good for so long.
    pub fn new(name: &str, valid: Duration) -> Result<Authority, MakeError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        within(&mut params, valid);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), certificate })
    }

    /// Its certificate as PEM: what the other side is given to believe.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a new certificate, for either side of a connection, good for so long.
    pub fn sign(&self, subject: &Subject, valid: Duration) -> Result<Made, MakeError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, subject.name.as_str());
        let alternatives = &mut params.subject_alt_names;
        for name in &subject.dns {
            alternatives.push(SanType::DnsName(name.as_str().try_into()?));
        }
        alternatives.extend(subject.addresses.iter().copied().map(SanType::IpAddress));
        if let Some(node) = &subject.node {
            alternatives.push(SanType::URI(node.to_string().try_into()?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        within(&mut params, valid);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Made { certificate, key: key.serialize_pem() })
    }
}

fn within(params: &mut CertificateParams, valid: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - SLACK).into();
    params.not_after = (now + valid).into();
}
