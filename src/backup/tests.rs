//! The file: what was written comes back, and nothing else is taken for a backup.

use super::command::{Args, run};
use super::{BackupFile, Existing, Head, Writer, Written, check};
use crate::admin::views::hexadecimal;
use crate::machine::LedgerMachine;
use bytes::Bytes;
use clap::Parser;
use cluster::StateMachine;
use cluster::store::snapshots::{Header, pieces};
use ledger::{Command, Currency, Ledger, Open, Opening, Program, Timestamp, UserToken};
use std::io;
use std::path::Path;

fn machine(accounts: u64) -> LedgerMachine {
    let mut books = Ledger::new();
    let opening = |number| Opening {
        user: UserToken::new(&format!("user-{number}")).expect("a name"),
        currency: Currency::from_code("USD").expect("a currency"),
        credit_minor: 100 + number,
    };
    let program = Program::new("default").expect("a name");
    for number in 0..accounts {
        books.apply(Timestamp(1_000 + number), &Command::Open(Open { program, openings: vec![opening(number)] }));
    }
    LedgerMachine::of(books)
}

/// What the stream and the file say of these books.
fn heads(machine: &LedgerMachine, time_us: u64) -> (Header, Head) {
    let header = Header {
        cluster: [0xab; 16],
        index: 17,
        log_id: Bytes::new(),
        membership: Bytes::new(),
        time_us,
        digest: machine.digest(),
        records: machine.records_count(),
    };
    let head = Head {
        cluster_name: "holdfast".to_owned(),
        cluster_id: hexadecimal(&header.cluster),
        node: 2,
        index: header.index,
        log_time_us: header.time_us,
        digest: hexadecimal(&header.digest),
        records: header.records,
        taken_at_us: 2_000_000,
        version: "0.1.0".to_owned(),
    };
    (header, head)
}

/// Writes a backup of books with so many accounts.
fn write(path: &Path, accounts: u64) -> Result<Written, super::BackupError> {
    let machine = machine(accounts);
    let (header, head) = heads(&machine, 1_000 + accounts);
    let mut writer = Writer::create(path, Existing::Keep, &head)?;
    for piece in pieces(&header, machine.records()).expect("a head") {
        writer.write(&piece.expect("a piece"))?;
    }
    writer.finish()
}

fn says(words: &[&str]) -> (u8, String) {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let line = Line::try_parse_from([&["backup"], words].concat()).expect("a command line");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(line.args, &mut out, &mut err);
    (code, String::from_utf8([out, err].concat()).expect("UTF-8"))
}

#[test]
fn what_was_written_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.backup");
    let written = write(&path, 300).expect("written");
    assert_eq!(written.bytes, path.metadata().expect("a file").len());
    let checked = check(&BackupFile::open(&path).expect("a backup")).expect("good");
    assert_eq!(checked.machine.digest(), machine(300).digest());
    assert_eq!((checked.sum, checked.violations), (written.sum, Vec::new()));
    let text = path.to_str().expect("UTF-8");
    let (code, said) = says(&["verify", text]);
    assert!(code == 0 && said.contains("300 accounts") && said.contains("books audited: good"), "{said}");
    let (code, said) = says(&["--json", "show", text]);
    let shown: serde_json::Value = serde_json::from_str(&said).expect("one document");
    assert_eq!((code, &shown["index"], &shown["records"]), (0, &17.into(), &301.into()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.backup");
    write(&path, 3).expect("written");
    let good = std::fs::read(&path).expect("readable");
    let rotten = dir.path().join("rotten.backup");
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&rotten, &bytes).expect("written");
        let found = BackupFile::open(&rotten).and_then(|file| check(&file));
        assert!(matches!(found, Err(super::BackupError::Damaged { .. })), "bit {bit} of {}", good.len() * 8);
    }
    let (code, said) = says(&["verify", rotten.to_str().expect("UTF-8")]);
    assert!(code == 1 && said.contains("is damaged"), "{said}");
}

#[test]
fn a_file_that_is_cut_or_goes_on_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.backup");
    write(&path, 3).expect("written");
    let good = std::fs::read(&path).expect("readable");
    let other = dir.path().join("other.backup");
    let longer: Vec<u8> = good.iter().copied().chain([0]).collect();
    let cuts = (0..good.len()).map(|length| good[..length].to_vec());
    for bytes in cuts.chain([longer]) {
        std::fs::write(&other, &bytes).expect("written");
        let found = BackupFile::open(&other).and_then(|file| check(&file));
        assert!(matches!(found, Err(super::BackupError::Damaged { .. })), "{} of {} bytes", bytes.len(), good.len());
    }
    let (code, said) = says(&["verify", dir.path().join("none").to_str().expect("UTF-8")]);
    assert!(code == 2 && said.contains("none"), "{said}");
}

/// The inner stream is whole and the sum fits, but the front tells of other books.
#[test]
fn two_heads_that_disagree_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.backup");
    let machine = machine(3);
    let (header, head) = heads(&machine, 5);
    let head = Head { index: 18, ..head };
    let mut writer = Writer::create(&path, Existing::Keep, &head).expect("created");
    for piece in pieces(&header, machine.records()).expect("a head") {
        writer.write(&piece.expect("a piece")).expect("written");
    }
    let error = writer.finish().map(|_| ()).expect_err("it is read back").to_string();
    assert!(error.ends_with("its two heads do not say the same"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "nothing stays");
}

#[test]
fn what_is_there_stays_and_what_a_killed_writer_left_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.backup");
    std::fs::write(dir.path().join("a.backup.tmp"), vec![7; 1 << 20]).expect("written");
    write(&path, 3).expect("written");
    let good = std::fs::read(&path).expect("readable");
    assert!(matches!(write(&path, 4), Err(super::BackupError::Refused { .. })));
    assert_eq!(std::fs::read(&path).expect("readable"), good);

    // While one writes, another one under the same name is refused, and leaves the first alone.
    let second = dir.path().join("b.backup");
    let head = BackupFile::open(&path).expect("a backup").head;
    let writing = Writer::create(&second, Existing::Keep, &head).expect("created");
    assert!(matches!(write(&second, 3), Err(super::BackupError::Refused { .. })));
    drop(writing);
    write(&second, 3).expect("nobody writes there any more");
}

#[test]
fn a_full_disk_leaves_nothing() {
    // A device that takes nothing stands in for the disk: the temporary file leads there.
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.backup");
    std::os::unix::fs::symlink("/dev/full", dir.path().join("a.backup.tmp")).expect("a link");
    match write(&path, 3).expect_err("full") {
        super::BackupError::Io { source, .. } => assert_eq!(source.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other}"),
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "nothing stays");
}
