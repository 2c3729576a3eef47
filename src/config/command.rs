//! `holdfast config`: what is in force, or whether it holds together.

use super::{Config, environment};
use std::io::Write;
use std::path::PathBuf;

/// Prints the configuration in force as TOML, secrets masked: defaults, then the file, then `HOLDFAST__SECTION__KEY`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print nothing: exit 0 if it is valid, else 2 with the key at fault.
    #[arg(long)]
    check: bool,
}

/// Runs it. 0: done. 2: the configuration is wrong.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> std::io::Result<u8> {
    let config = match Config::load(args.config.as_deref(), environment()) {
        Ok(config) => config,
        Err(error) => {
            writeln!(err, "holdfast config: {error}")?;
            return Ok(2);
        }
    };
    if !args.check {
        let text = config.render_masked().map_err(std::io::Error::other)?;
        out.write_all(text.as_bytes())?;
    }
    Ok(0)
}
