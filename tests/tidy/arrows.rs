//! Which room may use which, and which outside crate may be used where: DESIGN's arrows, read from the manifests.
//!
//! **What must hold.** An internal arrow is one of those listed in [`ROOMS`]. A crate listed in [`HOMES`] is used only
//! in its homes. Versions live in the root manifest. Every room takes the workspace's lints.

use crate::source::Violation;
use toml::{Table, Value};

/// One crate of the workspace.
#[derive(Debug)]
pub struct Room {
    pub manifest: &'static str,
    /// As its package is called.
    pub package: &'static str,
    /// As other rooms call it.
    pub name: &'static str,
    /// The rooms that it may use.
    pub uses: &'static [&'static str],
}

/// All rooms with their arrows.
pub const ROOMS: [Room; 10] = [
    Room {
        manifest: "Cargo.toml",
        package: "holdfast",
        name: "holdfast",
        uses: &["ledger", "standin", "gateway", "cluster", "proto", "tls"],
    },
    Room { manifest: "src/ledger/Cargo.toml", package: "holdfast-ledger", name: "ledger", uses: &[] },
    Room {
        manifest: "src/standin/Cargo.toml",
        package: "holdfast-standin",
        name: "standin",
        // The model in tests only.
        uses: &["ledger", "model"],
    },
    Room {
        manifest: "src/gateway/Cargo.toml",
        package: "holdfast-gateway",
        name: "gateway",
        uses: &["standin", "ledger", "tls"],
    },
    Room { manifest: "cluster/Cargo.toml", package: "holdfast-cluster", name: "cluster", uses: &["proto", "tls"] },
    Room { manifest: "proto/Cargo.toml", package: "holdfast-proto", name: "proto", uses: &[] },
    Room { manifest: "tls/Cargo.toml", package: "holdfast-tls", name: "tls", uses: &[] },
    Room { manifest: "tests/model/Cargo.toml", package: "holdfast-model", name: "model", uses: &[] },
    Room { manifest: "tests/sim/Cargo.toml", package: "holdfast-sim", name: "sim", uses: &["ledger", "cluster"] },
    Room { manifest: "chaos/Cargo.toml", package: "chaos", name: "chaos", uses: &["ledger", "proto"] },
];

/// Outside crates (a final `*` stands for any ending) and the only rooms that may use them.
const HOMES: [(&str, &[&str]); 12] = [
    ("openraft*", &["cluster"]),
    ("sled", &["cluster"]),
    ("hyper*", &["gateway", "holdfast", "tls"]),
    ("http-body-util", &["gateway", "holdfast"]),
    ("tonic*", &["cluster", "proto", "chaos", "holdfast"]),
    ("prost*", &["cluster", "proto", "chaos", "holdfast"]),
    ("rustls*", &["tls"]),
    ("tokio-rustls", &["tls"]),
    ("rcgen", &["tls"]),
    ("x509-cert", &["tls"]),
    ("nfq", &["chaos"]),
    ("tokio*", &["standin", "gateway", "cluster", "proto", "chaos", "tls", "holdfast", "sim"]),
];

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks one manifest.
pub fn check(path: &str, text: &str) -> Vec<Violation> {
    let Some(room) = ROOMS.iter().find(|room| room.manifest == path) else {
        // A crate inside a room (fuzz targets) is outside the product.
        return Vec::new();
    };
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Violation::new(path, 1, format!("is not TOML: {error}"))],
    };
    let mut violations = Vec::new();
    let mut wrong = |name: &str, rule: String| violations.push(Violation::new(path, line_of(text, name), rule));
    for (name, value) in dependencies(&manifest) {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
        if let Some(used) = ROOMS.iter().find(|used| used.name == name || used.package == package)
            && !room.uses.contains(&used.name)
        {
            wrong(name, format!("no arrow from {} to {}", room.name, used.name));
        }
        if let Some((_, homes)) = HOMES.iter().find(|(pattern, _)| matches(pattern, package))
            && !homes.contains(&room.name)
        {
            wrong(name, format!("{package} is used only in {}", homes.join(", ")));
        }
        if value.get("workspace").and_then(Value::as_bool) != Some(true) {
            wrong(name, format!("the version of {name} belongs in the root manifest: {name}.workspace = true"));
        }
    }
    let inherits = |lints: &Value| lints.get("workspace").and_then(Value::as_bool) == Some(true);
    if !manifest.get("lints").is_some_and(inherits) {
        wrong("[lints]", "takes not the workspace's lints: [lints] workspace = true".to_owned());
    }
    violations
}

/// All dependencies of all kinds, those for one target included.
fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    let kinds = tables.flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    kinds.flatten().map(|(name, value)| (name.as_str(), value)).collect()
}

fn matches(pattern: &str, package: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => package.starts_with(start),
        None => package == pattern,
    }
}

/// The line that names the dependency; 1 if none begins with it.
fn line_of(text: &str, name: &str) -> usize {
    let begins = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ', '=']))
    };
    text.lines().position(begins).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn found(path: &str, dependencies: &str) -> Vec<String> {
        check(path, &format!("{LINTS}{dependencies}")).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn an_allowed_arrow_passes() {
        assert!(found("src/gateway/Cargo.toml", "[dependencies]\nledger.workspace = true\n").is_empty());
        assert!(found("src/gateway/Cargo.toml", "[dependencies]\nhyper.workspace = true\n").is_empty());
    }

    #[test]
    fn a_planted_arrow_is_found() {
        let upwards = "[dependencies]\n\nstandin.workspace = true\n";
        assert_eq!(
            found("src/ledger/Cargo.toml", upwards),
            ["src/ledger/Cargo.toml:5: no arrow from ledger to standin"]
        );
        let renamed = "[dependencies]\nbooks = { package = \"holdfast-ledger\", workspace = true }\n";
        assert_eq!(found("cluster/Cargo.toml", renamed), ["cluster/Cargo.toml:4: no arrow from cluster to ledger"]);
        let in_tests = "[dev-dependencies]\ngateway.workspace = true\n";
        assert_eq!(found("src/standin/Cargo.toml", in_tests).len(), 1);
        let for_a_target = "[target.'cfg(unix)'.dependencies]\ngateway.workspace = true\n";
        assert_eq!(found("chaos/Cargo.toml", for_a_target).len(), 1);
    }

    #[test]
    fn a_crate_away_from_its_home_is_found() {
        for (path, name) in [
            ("Cargo.toml", "sled"),
            ("Cargo.toml", "openraft-rt"),
            ("cluster/Cargo.toml", "hyper-util"),
            ("src/standin/Cargo.toml", "tonic"),
            ("src/ledger/Cargo.toml", "tokio"),
        ] {
            let found = found(path, &format!("[dependencies]\n{name}.workspace = true\n"));
            assert!(found.len() == 1 && found[0].contains(" is used only in "), "{path} {name}: {found:?}");
        }
    }

    #[test]
    fn a_version_outside_the_root_is_found() {
        let found = found("src/ledger/Cargo.toml", "[dependencies]\nsha2 = \"0.10\"\n");
        assert!(found.len() == 1 && found[0].contains(":4: the version of sha2"), "{found:?}");
    }

    #[test]
    fn a_room_without_the_workspaces_lints_is_found() {
        assert_eq!(check("proto/Cargo.toml", "[package]\nname = \"holdfast-proto\"\n").len(), 1);
    }
}
