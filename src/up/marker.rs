//! The file that says that a directory is ours: `.holdfast-up`.
//!
//! What must hold: it is replaced whole (a file beside it, fsync, rename, fsync of the directory), so a kill between
//! any two lines leaves the old one or the new one. A marker that cannot be read, or whose check does not fit, makes
//! the directory not ours: then nothing in it is touched.

use super::refusal::Refusal;
use crate::config::ClusterId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

pub(super) const NAME: &str = ".holdfast-up";
/// What a kill between write and rename leaves.
pub(super) const TEMPORARY: &str = ".holdfast-up.tmp";
const MAGIC: &str = "# holdfast up, version 1\n";
/// Ten times what one takes.
const BYTES_MAX: u64 = 4096;

/// What is remembered about a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marker {
    /// How many nodes it has.
    pub(super) nodes: u16,
    /// 0: the well-known ports. Kept, because the nodes' log has the addresses of their peers.
    pub(super) port_base: u16,
    /// The id of its cluster.
    pub(super) cluster: ClusterId,
    /// Whether the first authorization was sent and answered.
    pub(super) authorization_sent: bool,
    /// What the nodes had is being removed: whoever starts next must finish that before any node runs.
    pub(super) emptying: bool,
}

impl Marker {
    /// The marker of a directory, if there is a good one.
    pub(super) fn read(dir: &Path) -> Option<Marker> {
        let mut text = String::new();
        File::open(dir.join(NAME)).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
        Marker::parse(&text)
    }

    /// Puts it in place of the one before, durably.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Refusal> {
        let text = self.text().map_err(|error| Refusal::Failed(format!("write the marker: {error}")))?;
        replace(dir, NAME, &text)
    }

    fn parse(text: &str) -> Option<Marker> {
        let (body, check) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let body = format!("{body}\n");
        if check != check_line(&body) {
            return None;
        }
        toml::from_str(body.strip_prefix(MAGIC)?).ok()
    }

    fn text(&self) -> Result<String, toml::ser::Error> {
        let body = format!("{MAGIC}{}", toml::to_string(self)?);
        let check = check_line(&body);
        Ok(format!("{body}{check}\n"))
    }
}

/// The first 8 bytes of SHA-256 over what stands before.
fn check_line(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("# check {hex}")
}

/// Writes a file whole or not at all, by way of the temporary name.
pub(super) fn replace(dir: &Path, name: &str, text: &str) -> Result<(), Refusal> {
    let temporary = dir.join(TEMPORARY);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, dir.join(name))?;
        File::open(dir)?.sync_all()
    };
    write().map_err(Refusal::failed(format_args!("write {}", dir.join(name).display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker { nodes: 3, port_base: 0, cluster: ClusterId([7; 16]), authorization_sent: true, emptying: false }
    }

    /// The bytes of version 1, for ever.
    #[test]
    fn golden() {
        let expected = "# holdfast up, version 1\nnodes = 3\nport_base = 0\n\
            cluster = \"07070707070707070707070707070707\"\nauthorization_sent = true\nemptying = false\n# check 46238c8f1a82e83c\n";
        assert_eq!(marker().text().unwrap(), expected);
        assert_eq!(Marker::parse(expected), Some(marker()));
    }

    #[test]
    fn no_flipped_bit_and_no_torn_end_is_read() {
        let text = marker().text().unwrap();
        for place in 0..text.len() {
            assert_eq!(Marker::parse(&text[..place]), None, "cut at {place}");
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let flipped = String::from_utf8(bytes).unwrap();
            assert_eq!(Marker::parse(&flipped), None, "flipped at {place}");
        }
    }

    #[test]
    fn it_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Marker::read(dir.path()), None);
        let first = Marker { authorization_sent: false, ..marker() };
        first.write(dir.path()).unwrap();
        assert_eq!(Marker::read(dir.path()), Some(first));
        marker().write(dir.path()).unwrap();
        assert_eq!(Marker::read(dir.path()), Some(marker()));
        assert!(!dir.path().join(TEMPORARY).exists());
    }
}
