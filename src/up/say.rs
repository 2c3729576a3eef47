//! Lines on standard output. Whoever reads them may be gone, which stops nothing.

use std::fmt;
use std::io::Write;

/// Prints one line.
pub(super) fn say(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
