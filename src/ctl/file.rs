//! Reading a small file that an operator names.

use super::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The whole file, or standard input if it is `-`; more than so many bytes are a usage error.
pub(super) async fn read(path: PathBuf, most: u64) -> Result<Vec<u8>, Failure> {
    let wrong = |path: &Path, why: String| Failure::Usage(format!("{}: {why}", path.display()));
    let reading = tokio::task::spawn_blocking(move || match read_bounded(&path, most + 1) {
        Ok(bytes) if bytes.len() as u64 > most => Err(wrong(&path, format!("is larger than {most} bytes"))),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(wrong(&path, error.to_string())),
    });
    reading.await.map_err(|error| Failure::Unavailable(error.to_string()))?
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
