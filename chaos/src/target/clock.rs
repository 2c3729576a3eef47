//! Clocks of single processes: a library of ours, preloaded, stands between a node and the machine's clock.
//!
//! What must hold: only what tells the time of day is changed, never what measures time, which no step of a real clock
//! changes either; and it can be changed while the node runs. The program is the one that runs in production, as long
//! as it is a dynamic one. Not here: setting the machine's own clock, which all nodes share.

use crate::process::output;
use anyhow::{Context, Result, anyhow};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library. Of C, because what it replaces is a function of C.
const SOURCE: &str = include_str!("clock.c");
/// A node's clock.
pub struct Clock {
    shim: PathBuf,
    path: PathBuf,
    file: File,
}

/// Whether the library can be made here, and this program will load it.
pub fn possible(program: &Path) -> Result<(), String> {
    let bytes = fs::read(program).map_err(|error| format!("{}: {error}", program.display()))?;
    // The name of the loader stands near the beginning of every dynamic program.
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    if !head.windows(4).any(|word| word == b"/ld-") {
        return Err(format!("{} is no dynamic program: nothing can stand before its clock", program.display()));
    }
    output("cc", &["--version"]).map(drop).map_err(|error| format!("needs a C compiler: {error}"))
}

/// Makes the library in this directory.
pub fn library(dir: &Path) -> Result<PathBuf> {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    fs::write(&source, SOURCE).with_context(|| format!("write {}", source.display()))?;
    let [from, to] = [&source, &library].map(|path| path.to_str());
    let (from, to) = (from.context("the path is not UTF-8")?, to.context("the path is not UTF-8")?);
    output("cc", &["-shared", "-fPIC", "-O2", "-o", to, from]).map_err(|error| anyhow!(error))?;
    Ok(library)
}

impl Clock {
    /// A right one, kept in this file.
    pub fn new(shim: PathBuf, path: PathBuf) -> Result<Clock> {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path);
        let file = file.with_context(|| format!("make {}", path.display()))?;
        file.set_len(16).with_context(|| format!("write {}", path.display()))?;
        let clock = Clock { shim, path, file };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so far ahead of the machine's; the node sees it at its next look.
    pub fn set(&self, ahead_ms: i64) -> Result<()> {
        let ahead_ns = ahead_ms.saturating_mul(1_000_000);
        self.file.write_all_at(&ahead_ns.to_ne_bytes(), 0).with_context(|| format!("write {}", self.path.display()))
    }

    /// How often the node has looked at it, over all its lives.
    pub fn looks(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 8).with_context(|| format!("read {}", self.path.display()))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Puts it before a program.
    pub fn put_before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.shim).env("CHAOS_CLOCK", &self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn now_s() -> i64 {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
    }

    /// Seconds since 1970, as this program says.
    fn told_by(clock: &Clock, path: &str) -> i64 {
        let mut command = Command::new(path);
        command.arg("+%s");
        clock.put_before(&mut command);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_program_sees_the_clock_that_is_set_for_it() {
        let date = Path::new("/bin/date");
        if let Err(why) = possible(date) {
            println!("unsupported: clocks: {why}");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::new(library(dir.path()).unwrap(), dir.path().join("node-1.clock")).unwrap();
        for ahead_s in [0, 3_600, -86_400, 7] {
            clock.set(ahead_s * 1000).unwrap();
            let looks = clock.looks().unwrap();
            let (before, told, after) = (now_s(), told_by(&clock, "/bin/date"), now_s());
            assert!(clock.looks().unwrap() > looks);
            assert!((before + ahead_s..=after + ahead_s).contains(&told), "{ahead_s}: {told}");
        }
    }

    #[test]
    fn a_static_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::write(&program, b"\x7fELF without a loader").unwrap();
        assert!(possible(&program).unwrap_err().contains("no dynamic program"));
    }
}
