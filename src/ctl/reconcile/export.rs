//! The processor's export: one transaction a line, read line by line in bounded memory.

use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A transaction with all that the processor says of it has some kilobytes.
const LINE_BYTES_MAX: u64 = 256 * 1024;

/// The lines of a file.
pub(super) struct Export {
    source: BufReader<File>,
    /// The number of the line that was read last.
    pub(super) line: u64,
}

/// What is looked at here; what it means for the books is the node's to say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    gpa_order: Option<Order>,
    gpa_order_unload: Option<Order>,
    created_time: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Order {
    jit_funding: Option<Funding>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Funding {
    token: Option<String>,
    original_jit_funding_token: Option<String>,
}

impl Export {
    pub(super) fn open(path: &Path) -> io::Result<Export> {
        Ok(Export { source: BufReader::new(File::open(path)?), line: 0 })
    }

    /// The next line that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            let mut line = Vec::new();
            self.line += 1;
            let read = self.source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            read.map_err(|error| format!("line {}: {error}", self.line))?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
                return Err(format!("line {}: longer than {LINE_BYTES_MAX} bytes", self.line));
            }
            let text = String::from_utf8(line).map_err(|_| format!("line {}: is not UTF-8", self.line))?;
            let text = text.trim();
            if !text.is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }
}

impl Named {
    pub(super) fn of(line: &str) -> Named {
        serde_json::from_str(line).unwrap_or_default()
    }

    /// The funding tokens that it names.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &str> {
        let orders = [&self.gpa_order, &self.gpa_order_unload].into_iter().flatten();
        let fundings = orders.filter_map(|order| order.jit_funding.as_ref());
        fundings.flat_map(|of| [&of.token, &of.original_jit_funding_token]).flatten().map(String::as_str)
    }

    /// When the processor made it, in microseconds since 1970.
    pub(super) fn created_us(&self) -> Option<u64> {
        let time: jiff::Timestamp = self.created_time.as_ref()?.parse().ok()?;
        u64::try_from(time.as_microsecond()).ok()
    }
}
