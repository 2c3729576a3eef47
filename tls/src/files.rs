//! The files of an identity: bounded in size, read whole, taken apart.

use crate::Error;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A chain of certificates has some KiB, an authority's bundle some hundred.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a certificate, its key and the authority of the other side are. PEM each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates the other side must have; `None` where nobody is asked for one.
    pub ca: Option<PathBuf>,
}

/// What stands in them. Kept to see whether it has changed.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    ca: Option<Vec<u8>>,
}

/// What that means.
pub(crate) struct Parts {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) roots: Option<RootCertStore>,
}

impl Files {
    pub(crate) fn read(&self) -> Result<Contents, Error> {
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            ca: self.ca.as_deref().map(read).transpose()?,
        })
    }

    pub(crate) fn parse(&self, contents: &Contents) -> Result<Parts, Error> {
        let key = PrivateKeyDer::from_pem_slice(&contents.key);
        let key = key.map_err(|_| Error::new(&self.key, "holds no private key as PEM"))?;
        let roots = self.ca.as_deref().zip(contents.ca.as_deref());
        Ok(Parts {
            chain: certificates(&self.certificate, &contents.certificate)?,
            key,
            roots: roots.map(|(path, text)| authority(path, text)).transpose()?,
        })
    }
}

/// A file whole, if it is no larger than it may be.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| Error::new(path, error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::new(path, "is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// The certificates of a file; at least one.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|_| Error::new(path, "is not PEM"))?;
    if all.is_empty() { Err(Error::new(path, "holds no certificate as PEM")) } else { Ok(all) }
}

/// The authorities of a file; at least one, and each of use.
pub(crate) fn authority(path: &Path, text: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, text)? {
        roots.add(certificate).map_err(|error| Error::new(path, format!("is no authority: {error}")))?;
    }
    Ok(roots)
}
