//! The files of the repository: what git tracks or would track; without git, the tree less what is built.
//!
//! **What must hold.** Every text file is seen once. A file that is not UTF-8 is not text and is left out.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One text file, its path relative to the repository's root with `/` between parts.
pub struct File {
    pub path: String,
    pub text: String,
}

/// All text files of the repository, by path.
pub fn read() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = listed_by_git(root).unwrap_or_else(|| walked(root));
    paths.sort();
    paths.dedup();
    let read = |path: String| std::fs::read_to_string(root.join(&path)).ok().map(|text| File { path, text });
    paths.into_iter().filter_map(read).collect()
}

/// `None` if there is no git, or if the root is not the top of a work tree (a copy inside another repository).
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let listed = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let paths = String::from_utf8(listed.stdout).ok()?;
    Some(paths.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walked(root: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if !["target", ".git", "holdfast-data"].iter().any(|skipped| name == *skipped) {
                        open.push(path);
                    }
                }
                Ok(kind) if kind.is_file() => {
                    if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                        paths.push(path.replace('\\', "/"));
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    paths
}

#[test]
fn both_ways_of_listing_see_this_file() {
    let this = "tests/tidy/tree.rs";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(walked(root).iter().any(|path| path == this));
    if let Some(listed) = listed_by_git(root) {
        assert!(listed.iter().any(|path| path == this));
    }
}
