//! Where scenarios come from: those that are built in, or the files of a directory.

use super::built_in;
use super::scenario::Scenario;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The largest file. A message is a few KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most files: three digits of a run's names are the scenario's.
const FILES_MAX: usize = 0xfff;

/// Those that are built in.
pub(super) fn built_in() -> Result<Vec<Scenario>, String> {
    built_in::FILES.iter().map(|(name, text)| Scenario::read(name, text)).collect()
}

/// Those of a directory, by name.
pub(super) fn read(dir: &Path) -> Result<Vec<Scenario>, String> {
    let of_dir = |error: std::io::Error| format!("--files {}: {error}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(of_dir)? {
        let name = entry.map_err(of_dir)?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned));
    }
    if names.is_empty() || names.len() > FILES_MAX {
        return Err(format!("--files {}: {} files *.json, must be from 1 to {FILES_MAX}", dir.display(), names.len()));
    }
    names.sort();
    let scenario = |name: &String| {
        let path = dir.join(format!("{name}.json"));
        let text = text(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Scenario::read(name, &text)
    };
    names.iter().map(scenario).collect()
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    let too_large = || std::io::Error::new(std::io::ErrorKind::FileTooLarge, "more than 1 MiB");
    if text.len() as u64 > FILE_BYTES_MAX { Err(too_large()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_built_in_and_can_be_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
        let found = read(&dir).unwrap();
        let names = |scenarios: &[Scenario]| scenarios.iter().map(|of| of.name.clone()).collect::<Vec<_>>();
        let built_in = built_in().unwrap();
        assert_eq!(names(&built_in), names(&found), "src/conformance/built_in.rs lists the files by name");
        assert_eq!(built_in, found);
    }

    #[test]
    fn a_directory_without_files_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap_err().ends_with("0 files *.json, must be from 1 to 4095"));
        fs::write(dir.path().join("a.json"), "{}").unwrap();
        assert_eq!(read(dir.path()).unwrap_err(), "a.json: missing field `title` at line 1 column 2");
        fs::write(dir.path().join("a.json"), vec![b' '; 1024 * 1024 + 1]).unwrap();
        assert!(read(dir.path()).unwrap_err().ends_with("a.json: more than 1 MiB"));
        assert!(read(&dir.path().join("absent")).is_err());
    }
}
