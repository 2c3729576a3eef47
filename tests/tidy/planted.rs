//! Bugs on purpose stay where they are: behind a feature that nothing turns on by itself, in few places.
//!
//! **What must hold.** No manifest has the feature among its defaults, and only the product and `chaos` have it at all.
//! The product's code names it only in [`SEAMS`]. What builds an image turns no feature on.

use crate::source::Violation;
use toml::{Table, Value};

const FEATURE: &str = "planted";
const OWNERS: [&str; 2] = ["Cargo.toml", "chaos/Cargo.toml"];
/// Where the product calls what is planted, and the file itself.
const SEAMS: [&str; 6] =
    ["src/admin/node.rs", "src/machine.rs", "src/main.rs", "src/node.rs", "src/planted.rs", "src/replicated.rs"];
/// What ends in a release.
const SHIPPED: [&str; 3] = ["Dockerfile", "ci/image/", "compose.yaml"];

/// Checks any text file.
pub fn check(path: &str, text: &str) -> Vec<Violation> {
    let named = concat!("feature = \"plan", "ted\"");
    let in_product = path.ends_with(".rs") && !path.starts_with("chaos/") && !path.starts_with("tests/");
    let shipped = SHIPPED.iter().any(|prefix| path.starts_with(prefix));
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if in_product && line.contains(named) && !SEAMS.contains(&path) {
            violations.push(Violation::new(path, index + 1, "a seam for planted bugs outside of the list"));
        }
        if shipped && (line.contains("--features") || line.contains("--all-features")) {
            violations.push(Violation::new(path, index + 1, "what is shipped is built without features"));
        }
    }
    if path.ends_with("Cargo.toml") {
        violations.extend(check_manifest(path, text));
    }
    violations
}

fn check_manifest(path: &str, text: &str) -> Option<Violation> {
    // One that is not TOML is found elsewhere.
    let manifest: Table = text.parse().ok()?;
    let features = manifest.get("features")?.as_table()?;
    let on = |name: &str| {
        let list = features.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).any(|part| part.ends_with(FEATURE))
    };
    let rule = if on("default") {
        "`planted` is among the default features"
    } else if features.contains_key(FEATURE) && !OWNERS.contains(&path) {
        "only the product and chaos have the feature `planted`"
    } else if features.keys().any(|name| name != FEATURE && on(name)) {
        "another feature turns `planted` on"
    } else {
        return None;
    };
    Some(Violation::new(path, 1, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_turns_it_on_is_found() {
        let found = |path: &str, features: &str| check(path, &format!("[features]\n{features}\n")).len();
        assert_eq!(found("Cargo.toml", "planted = []"), 0);
        assert_eq!(found("Cargo.toml", "planted = []\ndefault = [\"planted\"]"), 1);
        assert_eq!(found("Cargo.toml", "planted = []\nall = [\"planted\"]"), 1);
        assert_eq!(found("chaos/Cargo.toml", "planted = []\ndefault = [\"holdfast/planted\"]"), 1);
        assert_eq!(found("src/ledger/Cargo.toml", "planted = []"), 1);
    }

    #[test]
    fn a_seam_elsewhere_and_a_feature_in_an_image_are_found() {
        let seam = format!("#[cfg(feature = \"{FEATURE}\")]\n");
        assert_eq!(check("src/ledger/books.rs", &seam).len(), 1);
        assert_eq!(check("src/machine.rs", &seam).len(), 0);
        assert_eq!(check("ci/image/build", "cargo build --release --features planted\n").len(), 1);
        assert_eq!(check("Dockerfile", "RUN cargo build --release --locked\n").len(), 0);
    }
}
