//! `holdfast restore`: a new cluster of a backup, node by node, before its first start.
//!
//! **What lives here.** Checking the backup as a whole, giving the new cluster its id, and planting each node
//! (`cluster::Seed`). `fresh` says whether directories may be used.
//!
//! **What must hold.** The new cluster is another one: its id comes from the backup's bytes, the name that the operator
//! gives this restore and the members, so nodes of the old cluster, of another restore, or of another backup never mix
//! with it, and each node finds the same id by itself. Its incarnations begin above all that the books remember and
//! above the seconds since 1970, so that no attempt of the old cluster ever meets one of the new. Its books say that
//! they come from a backup (`ledger::Restored`): new requests are declined until an operator has looked through what
//! is missing. All nodes get the same bytes, so they agree before the first of them leads.
//!
//! **What is deliberately not here.** Anything over the network: a node is restored where its disks are.

mod fresh;

use crate::admin::views::hexadecimal;
use crate::backup::{BackupFile, Checked, Head, check};
use crate::clock::wall_clock_us;
use crate::config::{Config, environment};
use crate::ctl::{Answer, Failure, finish, utc};
use crate::machine::LedgerMachine;
use crate::version;
use cluster::store::files::RealFiles;
use cluster::{Beginning, Seed, Stamp, StartError, StateMachine};
use fresh::{Fresh, Place};
use ledger::{Command, Ledger, Meanwhile, Restored, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Make the nodes of a new cluster of a backup, in fresh directories
///
/// Run it for each node, where its disks are, with the same backup, the same name and the same members; then start
/// them. A node that is done already is left as it is.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What `holdfast ctl backup` wrote
    file: PathBuf,
    /// The configuration of a node that is to be; repeat it for nodes on the same machine
    #[arg(long, required = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// What this restore is called: never used before, and the same for all nodes of the new cluster
    #[arg(long)]
    name: String,
    /// Decide requests on the books as they are, although they lack what came after the backup, rather than decline
    /// them until `holdfast ctl reconcile done`
    #[arg(long)]
    decide_meanwhile: bool,
    /// Print exactly one JSON document
    #[arg(long)]
    json: bool,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    cluster_id: String,
    cluster_was: String,
    index: u64,
    /// What came after this log time is missing.
    lacks_since_us: u64,
    declines: bool,
    /// Of the books as the backup has them, and as the new cluster begins: they say now where they come from.
    digest_of_backup: String,
    digest: String,
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    id: u64,
    data_dir: PathBuf,
    log_dir: PathBuf,
    /// It was restored before, and was left as it is.
    existed: bool,
}

/// Does it, and returns the exit code: 0 done, 1 refused, 2 usage or configuration.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    finish(restore(args), args.json, out, err)
}

fn restore(args: &Args) -> Result<Answer, Failure> {
    let named = (1..=64).contains(&args.name.len()) && args.name.chars().all(|c| c.is_ascii_graphic());
    if !named {
        return Err(Failure::Usage("--name: must be 1 to 64 printable ASCII characters without a space".to_owned()));
    }
    let configs = load(&args.config)?;
    let file = BackupFile::open(&args.file)?;
    let Checked { mut machine, sum, violations } = check(&file)?;
    if let Some(violation) = violations.first() {
        return Err(Failure::Refused(format!("the backup's books are unsound: {violation}")));
    }
    let cluster = new_id(&sum, &args.name, &configs);
    let other = |config: &Config| config.cluster.id.is_some_and(|id| id.0 != cluster);
    if let Some((path, _)) = args.config.iter().zip(&configs).find(|(_, config)| other(config)) {
        let (path, id) = (path.display(), hexadecimal(&cluster));
        let why = format!("{path}: cluster.id: is another cluster's: leave it out, or set it to {id}");
        return Err(Failure::Usage(why));
    }
    let version = backup_version(&file)?.max(version::RESTORED);
    let incarnation = first_incarnation(machine.as_ref());
    let restored = restored(&file.head, args.decide_meanwhile)?;
    let stamp = Stamp { index: restored.index, time_us: restored.since.0 };
    machine.apply(stamp, &Command::Restored(Box::new(restored)));
    let mut nodes = Vec::new();
    for config in &configs {
        let beginning = Beginning { machine: &machine, index: restored.index, time_us: restored.since.0, version };
        nodes.push(plant(config, cluster, incarnation, &beginning)?);
    }
    let made = Made {
        cluster_id: hexadecimal(&cluster),
        cluster_was: file.head.cluster_id.clone(),
        index: restored.index,
        lacks_since_us: restored.since.0,
        declines: restored.meanwhile == Meanwhile::Decline,
        digest_of_backup: file.head.digest.clone(),
        digest: hexadecimal(&machine.digest()),
        nodes,
    };
    Answer::done(&made, made.text())
}

/// The nodes' configurations, which must be of one cluster.
fn load(paths: &[PathBuf]) -> Result<Vec<Config>, Failure> {
    let mut configs: Vec<Config> = Vec::new();
    for path in paths {
        let config = Config::load(Some(path), environment()).map_err(|error| Failure::Usage(error.to_string()))?;
        let wrong = |problem: &str| Err(Failure::Usage(format!("{}: {problem}", path.display())));
        if config.cluster.members.is_empty() {
            return wrong("cluster.members: are missing: a restored cluster begins with all of them");
        }
        if configs.iter().any(|other| other.cluster.members != config.cluster.members) {
            return wrong("cluster.members: are others than in the file before");
        }
        if configs.iter().any(|other| other.node.id == config.node.id) {
            return wrong("node.id: is that of the file before");
        }
        configs.push(config);
    }
    Ok(configs)
}

/// The same for the same backup, name and members, and different for any other. Its recipe is for ever, because nodes
/// of one cluster may be restored by different versions.
fn new_id(sum: &[u8; 32], name: &str, configs: &[Config]) -> [u8; 16] {
    let mut digest = Sha256::new().chain_update(b"holdfast restore\0").chain_update(sum).chain_update(name);
    let mut members: Vec<_> = configs.first().map(|config| config.cluster.members.clone()).unwrap_or_default();
    members.sort_by_key(|member| member.id);
    for member in members {
        digest.update([0]);
        digest.update(member.id.to_be_bytes());
        digest.update(member.peer);
        digest.update([0]);
        digest.update(member.admin);
    }
    let digest = digest.finalize();
    std::array::from_fn(|place| digest[place])
}

/// Above all attempts that the books remember; and above all that the old cluster may have made after the backup, in so
/// far as no node was ever started more often than once a second.
fn first_incarnation(books: &Ledger) -> u64 {
    books.last_incarnation().max(wall_clock_us() / 1_000_000)
}

fn restored(head: &Head, decide: bool) -> Result<Restored, Failure> {
    let cluster = u128::from_str_radix(&head.cluster_id, 16).map(u128::to_be_bytes);
    let cluster = cluster.map_err(|_| Failure::Refused("the backup's head: cluster_id is no id".to_owned()))?;
    Ok(Restored {
        since: Timestamp(head.log_time_us),
        taken_at: Timestamp(head.taken_at_us),
        cluster,
        index: head.index,
        meanwhile: if decide { Meanwhile::Decide } else { Meanwhile::Decline },
    })
}

/// The version of the cluster that the backup is of, which this program must understand.
fn backup_version(file: &BackupFile) -> Result<u32, Failure> {
    let reader = file.snapshot()?;
    let version = cluster::version_of(reader.header()).map_err(|error| Failure::Refused(error.to_string()))?;
    if version > version::CLUSTER_VERSION_MAX {
        return Err(Failure::Refused(format!(
            "the backup is of a cluster with version {version}, and this program understands up to {}: restore it with \
             a newer one",
            version::CLUSTER_VERSION_MAX
        )));
    }
    Ok(version)
}

fn plant(
    config: &Config,
    cluster: [u8; 16],
    incarnation: u64,
    beginning: &Beginning<'_, LedgerMachine>,
) -> Result<Node, Failure> {
    // A planted directory mints its disk at its first start.
    let of = config.cluster(Arc::new(wall_clock_us), [0; 16]);
    let place = Place { log_dir: of.log_dir.clone(), data_dir: of.data_dir.clone() };
    let fresh = place.look(cluster, of.node).map_err(Failure::Refused)?;
    let existed = fresh == Fresh::Done;
    if !existed {
        place.begin(cluster).map_err(Failure::Refused)?;
        let seed = Seed {
            cluster,
            configured: of.cluster,
            node: of.node,
            members: of.members,
            incarnation,
            log_dir: of.log_dir,
            data_dir: of.data_dir,
            segment_bytes: of.segment_bytes,
        };
        let planted = seed.plant(Arc::new(RealFiles), beginning);
        planted.map_err(|error: StartError| Failure::Refused(format!("node {}: {error}", seed.node)))?;
        place.end();
    }
    let Place { log_dir, data_dir } = place;
    Ok(Node { id: of.node, data_dir, log_dir, existed })
}

impl Made {
    fn text(&self) -> String {
        let mut text = String::new();
        for Node { id, data_dir, existed, .. } in &self.nodes {
            let done = if *existed { "was restored before, and is left as it is" } else { "is restored" };
            text.push_str(&format!("node {id} {done}: {}\n", data_dir.display()));
        }
        let meanwhile = if self.declines {
            "new requests are declined until you have reconciled and say: holdfast ctl reconcile done"
        } else {
            "requests are decided on the books as they are; when you have reconciled say: holdfast ctl reconcile done"
        };
        text.push_str(&format!(
            "cluster   {}, which was {}\n\
             has       all up to log index {}\nlacks     whatever came after {}\n{meanwhile}\n",
            self.cluster_id,
            self.cluster_was,
            self.index,
            utc(self.lacks_since_us),
        ));
        text
    }
}
