//! The product with bugs that can be chosen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

/// Built once, into a directory of its own.
pub fn product() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let began = Instant::now();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = root.join("target/planted");
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", "holdfast", "--features", "planted", "--target-dir"]);
        let status = command.arg(&target).current_dir(&root).status().expect("run cargo");
        assert!(status.success(), "the product with the feature `planted` cannot be built");
        println!("built with planted bugs in {:?}", began.elapsed());
        target.join("debug/holdfast")
    })
}
