//! What a certificate says: for whom it is, and until when.

use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The alternative names of a certificate. What stands in its subject is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// As in `ada@bank.example`, `node-1.holdfast` or `holdfast://cluster/1`, in the certificate's order.
    all: Vec<String>,
}

impl Names {
    /// Those of the first certificate, which is the other side's own; none if it cannot be read.
    pub(crate) fn of(chain: &[CertificateDer<'_>]) -> Names {
        let certificate = chain.first().and_then(|der| x509_cert::Certificate::from_der(der).ok());
        let extension =
            certificate.as_ref().and_then(|read| read.tbs_certificate.get::<SubjectAltName>().ok().flatten());
        let text = |name: &GeneralName| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
            GeneralName::Rfc822Name(name) => Some(name.as_str().to_owned()),
            GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
            // Addresses say where somebody is, not who; the others nobody uses.
            GeneralName::OtherName(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::IpAddress(_)
            | GeneralName::RegisteredId(_) => None,
        };
        let all = extension.map(|(_, names)| names.0.iter().filter_map(text).collect());
        Names { all: all.unwrap_or_default() }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }
}

impl FromIterator<String> for Names {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Names {
        Names { all: names.into_iter().collect() }
    }
}

/// When the first of these certificates runs out; `None` if one cannot be read.
pub(crate) fn not_after(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let end = |der: &CertificateDer<'_>| {
        let read = x509_cert::Certificate::from_der(der).ok()?;
        let since: Duration = read.tbs_certificate.validity.not_after.to_unix_duration();
        UNIX_EPOCH.checked_add(since)
    };
    chain.iter().map(end).try_fold(None, |first: Option<SystemTime>, end| {
        let end = end?;
        Some(Some(first.map_or(end, |first| first.min(end))))
    })?
}
