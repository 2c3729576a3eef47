//! `holdfast certs new`: an authority and certificates to try TLS out with.
//!
//! What must hold: nothing that is there is written over; keys are their owner's alone; the authority's key is never
//! on a disk, so nobody can sign anything in its name afterwards. Production has an authority of its own
//! (docs/tls.md).

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tls::NodeName;
use tls::make::{Authority, MakeError, Subject};

const DAY: Duration = Duration::from_secs(86_400);

/// Certificates to try TLS out with.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make an authority and what it signs: a certificate for each node, and for each operator
    New(New),
}

#[derive(clap::Args, Debug)]
struct New {
    /// Where to: ca.crt, node-1.crt, node-1.key and so on; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// `cluster.name` of the nodes
    #[arg(long, value_name = "NAME", default_value = "holdfast", value_parser = cluster)]
    cluster: String,
    /// For the nodes 1 to this
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=64))]
    nodes: u64,
    /// A name or an address at which the nodes are called; repeat it
    #[arg(long = "host", value_name = "HOST", default_values = ["localhost", "127.0.0.1", "::1"])]
    hosts: Vec<String>,
    /// A name for somebody who calls, as in `admin.certificates`; repeat it
    #[arg(long = "caller", value_name = "NAME")]
    callers: Vec<String>,
    /// How long they are good
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

fn cluster(text: &str) -> Result<String, &'static str> {
    if NodeName::can_name(text) { Ok(text.to_owned()) } else { Err("must be letters, digits, `-`, `.`, `_` and `~`") }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
    #[error("{} is there already: nothing is written over", .0.display())]
    There(PathBuf),
    #[error(transparent)]
    Make(#[from] MakeError),
}

/// Runs it, and returns the exit code: 0 done, 1 not.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let Command::New(new) = &args.command;
    match make(new) {
        Ok(names) => {
            // Nobody reads a broken pipe.
            let _ = writeln!(out, "{}: ca.crt and, each as .crt and .key: {}", new.dir.display(), names.join(", "));
            0
        }
        Err(failure) => {
            let _ = writeln!(err, "holdfast certs: {failure}");
            1
        }
    }
}

fn make(new: &New) -> Result<Vec<String>, Failure> {
    let dir = new.dir.as_path();
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Disk { path, source }
    };
    std::fs::create_dir_all(dir).map_err(disk(dir))?;
    let subjects: Vec<(String, Subject)> = subjects(new).collect();
    for file in std::iter::once("ca").chain(subjects.iter().map(|(name, _)| name.as_str())) {
        let path = dir.join(format!("{file}.crt"));
        if path.exists() {
            return Err(Failure::There(path));
        }
    }
    let valid = DAY * new.days;
    let authority = Authority::new(&format!("holdfast {} evaluation", new.cluster), valid)?;
    let path = dir.join("ca.crt");
    std::fs::write(&path, authority.certificate()).map_err(disk(&path))?;
    for (name, subject) in &subjects {
        authority.sign(subject, valid)?.write(dir, name).map_err(disk(dir))?;
    }
    Ok(subjects.into_iter().map(|(name, _)| name).collect())
}

fn subjects(new: &New) -> impl Iterator<Item = (String, Subject)> {
    let address = |host: &String| host.parse::<IpAddr>().ok();
    let addresses: Vec<IpAddr> = new.hosts.iter().filter_map(address).collect();
    let dns: Vec<String> = new.hosts.iter().filter(|host| address(host).is_none()).cloned().collect();
    let node = move |node: u64| {
        let own = NodeName { cluster: new.cluster.clone(), node: node.to_string() };
        let (name, dns, addresses) = (own.to_string(), dns.clone(), addresses.clone());
        (format!("node-{node}"), Subject { name, dns, addresses, node: Some(own) })
    };
    let caller =
        |name: &String| (name.clone(), Subject { name: name.clone(), dns: vec![name.clone()], ..Subject::default() });
    (1..=new.nodes).map(node).chain(new.callers.iter().map(caller))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn certs(dir: &Path, more: &[&str]) -> (u8, String) {
        let words = [&["certs", "new", "--dir", dir.to_str().unwrap()], more].concat();
        let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&line.args, &mut out, &mut err);
        (code, String::from_utf8([out, err].concat()).unwrap())
    }

    #[test]
    fn what_is_made_is_not_written_over_and_keys_are_the_owners() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("made/here");
        let (code, said) = certs(&place, &["--nodes", "2", "--caller", "ada.example"]);
        assert_eq!(code, 0, "{said}");
        let mut files: Vec<_> = std::fs::read_dir(&place).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.sort();
        let wanted =
            ["ada.example.crt", "ada.example.key", "ca.crt", "node-1.crt", "node-1.key", "node-2.crt", "node-2.key"];
        assert_eq!(files, wanted);
        let mode = std::fs::metadata(place.join("node-1.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (code, said) = certs(&place, &[]);
        assert!(code == 1 && said.contains("ca.crt is there already"), "{said}");
    }
}
