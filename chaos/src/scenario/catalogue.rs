//! The scenarios that come with the program, and finding one by its name or path.
//!
//! What must hold: what lies in `chaos/scenarios` is in the program (a test compares), so `chaos list` needs nothing
//! but the program, and each of them is valid.

use super::{Scenario, Set};
use anyhow::{Context, Result, bail};
use std::path::Path;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each.
        const BUILT_IN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../scenarios/", $name, ".yaml")))),*];
    };
}

built_in![
    "bridge",
    "clock-ahead",
    "clock-back-stand-in",
    "clock-behind",
    "clocks-drift",
    "crash-loop",
    "cut-connections",
    "deaf-leader",
    "deleted-pods",
    "disordered-network",
    "drained-machine",
    "duplicate-tokens",
    "evicted-leader",
    "failing-disk",
    "flapping-leader",
    "flipped-bit-database",
    "flipped-bit-identity",
    "flipped-bit-journal",
    "flipped-bit-log",
    "flipped-bit-snapshot",
    "flipped-bit-vote",
    "full-disk",
    "grow-while-leader-dies",
    "hot-account",
    "isolated-approves",
    "kill-all",
    "kill-follower",
    "kill-leader",
    "load-spike",
    "lossy-network",
    "lost-disk",
    "mute-leader",
    "narrow-network",
    "no-quorum",
    "partition-leader",
    "pause-leader",
    "power-cut-all",
    "power-cut-leader",
    "replace-while-leader-is-cut-off",
    "retry-storm",
    "ring-of-five",
    "rolling-restart",
    "shrink-while-leader-dies",
    "slow-clients",
    "slow-disk",
    "slow-network",
    "stand-in-approves",
    "torn-log",
    "transfer-and-snapshot",
    "webhook-storm",
];

/// A scenario and what it is called.
#[derive(Clone, Debug)]
pub struct Named {
    /// As on the command line; of a file its name without the ending.
    pub name: String,
    /// What it says.
    pub scenario: Scenario,
}

/// All that come with the program, by name.
pub fn built_in() -> Result<Vec<Named>> {
    BUILT_IN
        .iter()
        .map(|(name, text)| {
            let scenario = Scenario::parse(text).with_context(|| format!("{name}.yaml"))?;
            Ok(Named { name: (*name).to_owned(), scenario })
        })
        .collect()
}

/// Those of a set.
pub fn of_set(set: Set) -> Result<Vec<Named>> {
    Ok(built_in()?.into_iter().filter(|named| named.scenario.sets.contains(&set)).collect())
}

/// One by its name, or by the path of its file.
pub fn find(word: &str) -> Result<Named> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == word) {
        return Ok(Named { name: (*name).to_owned(), scenario: Scenario::parse(text)? });
    }
    let path = Path::new(word);
    if path.extension().is_none() {
        bail!("there is no scenario {word:?}: see `chaos list`, or give the path of a .yaml file");
    }
    let name = path.file_stem().and_then(|stem| stem.to_str()).context("the file's name is not UTF-8")?;
    Ok(Named { name: name.to_owned(), scenario: Scenario::read(path)? })
}

/// The JSON schema of a scenario's file.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Scenario)).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_in_the_program_and_valid() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let yaml = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        let files: BTreeSet<String> = yaml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        let known: BTreeSet<String> = built_in().unwrap().into_iter().map(|named| named.name).collect();
        assert_eq!(files, known);
    }

    #[test]
    fn the_published_schema_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/schema.json");
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == schema(), "the types have changed: `chaos schema > chaos/scenarios/schema.json`");
    }

    #[test]
    fn a_scenario_is_found_by_name_or_path() {
        assert_eq!(find("kill-leader").unwrap().name, "kill-leader");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/kill-leader.yaml");
        assert_eq!(find(path).unwrap().name, "kill-leader");
        assert!(find("no-such-thing").unwrap_err().to_string().contains("chaos list"));
    }
}
