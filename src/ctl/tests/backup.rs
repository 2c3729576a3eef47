//! Backups over the command line: what is written is what the node has, or nothing is.

use super::ctl;
use crate::admin::fake::{Fake, Mood, served};
use crate::backup::{BackupFile, check};
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

async fn opened(fake: &Fake) -> String {
    let at = served(fake.clone()).await;
    let opened = ctl(&format!("--endpoint {at} --json account open alice --currency USD --credit 1000")).await;
    assert_eq!(opened.exit, 0, "{opened:?}");
    at
}

#[tokio::test]
async fn a_backup_is_what_the_node_has_and_is_not_written_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = opened(&Fake::new()).await;
    let path = dir.path().join("books.backup");
    let line = format!("--endpoint {at} --json backup {}", path.display());
    let taken = ctl(&line).await;
    assert_eq!((taken.exit, &taken.json()["index"]), (0, &17.into()), "{taken:?}");
    let file = BackupFile::open(&path).expect("a backup");
    let checked = check(&file).expect("good");
    assert!(checked.violations.is_empty());
    assert_eq!(checked.machine.as_ref().accounts_count(), 1);
    assert_eq!(file.head.digest, taken.json()["digest"]);
    assert_eq!((file.head.cluster_name.as_str(), file.head.node), ("fake", 1));

    let before = std::fs::read(&path).expect("readable");
    let again = ctl(&line).await;
    assert_eq!(again.failed(), (1, "refused".to_owned()));
    assert_eq!(std::fs::read(&path).expect("readable"), before);
    let over = ctl(&format!("{line} --overwrite")).await;
    assert_eq!(over.exit, 0, "{over:?}");
    assert_eq!(names(dir.path()), ["books.backup"]);
}

#[tokio::test]
async fn in_a_directory_only_the_newest_of_this_cluster_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = opened(&Fake::new()).await;
    let other = ["fake-c0c0c0c0-notes.backup", "fake-deadbeef-20260101T000000000000Z-000000000001.backup"];
    for name in other {
        std::fs::write(dir.path().join(name), "not ours").expect("written");
    }
    // What a writer that was killed has left.
    std::fs::write(dir.path().join("fake-c0c0c0c0-20260101T000000000000Z-000000000001.backup.tmp"), "x")
        .expect("written");
    let mut taken = Vec::new();
    for _ in 0..4 {
        let done = ctl(&format!("--endpoint {at} --json backup {} --keep 2", dir.path().display())).await;
        assert_eq!(done.exit, 0, "{done:?}");
        let file = done.json()["file"].as_str().expect("a path").to_owned();
        taken.push(Path::new(&file).file_name().expect("a name").to_string_lossy().into_owned());
    }
    let mut wanted: Vec<String> = other.map(str::to_owned).into();
    wanted.extend(taken.split_off(2));
    wanted.sort();
    assert_eq!(names(dir.path()), wanted);
    let missing = ctl(&format!("--endpoint {at} --json backup {}/none --keep 2", dir.path().display())).await;
    assert_eq!(missing.failed(), (2, "usage".to_owned()));
}

#[tokio::test]
async fn without_a_quorum_only_a_stale_backup_is_taken() {
    let dir = tempfile::tempdir().expect("a directory");
    let fake = Fake::new();
    let at = opened(&fake).await;
    fake.set(Mood::NoQuorum);
    let path = dir.path().join("books.backup");
    let refused = ctl(&format!("--endpoint {at} --json backup {}", path.display())).await;
    assert_eq!(refused.failed(), (3, "unavailable".to_owned()));
    assert!(names(dir.path()).is_empty());
    let stale = ctl(&format!("--endpoint {at} --json backup --stale {}", path.display())).await;
    assert_eq!(stale.exit, 0, "{stale:?}");
}

/// The file has every check that a file can have; only restoring it shows that the books are others.
#[tokio::test]
async fn books_without_the_digest_that_was_told_are_found_by_verify() {
    let dir = tempfile::tempdir().expect("a directory");
    let fake = Fake::new();
    let at = opened(&fake).await;
    fake.set(Mood::NodeDiffers);
    let path = dir.path().join("books.backup");
    let taken = ctl(&format!("--endpoint {at} --json backup {}", path.display())).await;
    assert_eq!(taken.exit, 0, "{taken:?}");
    let file = BackupFile::open(&path).expect("a backup");
    let error = check(&file).map(|_| ()).expect_err("another digest").to_string();
    assert!(error.ends_with("the state does not have the snapshot's digest"), "{error}");
}
