//! Dead letters: kept once, within a bound, carried by snapshots, in bytes that are the same for ever.

use holdfast_ledger::*;

fn program() -> Program {
    Program::new("default").expect("an id")
}

fn token(text: &str) -> Token {
    Token::new(text).expect("an id")
}

fn letter(id: &str) -> DeadLetter {
    DeadLetter {
        program: program(),
        id: token(id),
        kind: token("transactions"),
        why: Why::AccountUnknown,
        detail: "user_token".into(),
        kept: Kept::Whole,
        bytes: b"{}".to_vec(),
    }
}

fn shelve(ledger: &mut Ledger, at: u64, letter: DeadLetter) -> Output {
    ledger.apply(Timestamp(at), &Command::Shelve(letter))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Never edit a line; add new ones.
#[test]
fn bytes() {
    let head = "010b0764656661756c740261310c7472616e73616374696f6e73";
    let tail = "0a757365725f746f6b656e01027b7d";
    for (why, number) in [
        (Why::Malformed, "01"),
        (Why::KindUnknown, "02"),
        (Why::AccountUnknown, "03"),
        (Why::CurrencyNotHeld, "04"),
        (Why::ChainFull, "05"),
        (Why::OutOfRange, "06"),
        (Why::Unnamed, "07"),
        (Why::TypeUnknown, "08"),
    ] {
        check_command(Command::Shelve(DeadLetter { why, ..letter("a1") }), &format!("{head}{number}{tail}"));
    }
    for (kept, number) in [(Kept::Essence, "02"), (Kept::Cut, "03")] {
        let tail = tail.replace("6e01027b7d", &format!("6e{number}027b7d"));
        check_command(Command::Shelve(DeadLetter { kept, ..letter("a1") }), &format!("{head}03{tail}"));
    }
    let drop = DropLetter { program: program(), id: token("a1") };
    check_command(Command::DropLetter(drop), "010c0764656661756c74026131");
    for (output, golden) in [
        (Output::Shelved(Shelved::Kept), "010801"),
        (Output::Shelved(Shelved::Known), "010802"),
        (Output::Shelved(Shelved::Full), "010803"),
        (Output::Shelved(Shelved::TooLarge), "010804"),
        (Output::Dropped(Dropped::Gone), "010901"),
        (Output::Dropped(Dropped::Unknown), "010902"),
    ] {
        let mut bytes = Vec::new();
        encode_output(&output, &mut bytes);
        assert_eq!(hex(&bytes), golden, "{output:?}");
        assert_eq!(decode_output(&bytes), Ok(output));
    }
    let mut ledger = Ledger::new();
    shelve(&mut ledger, 7, letter("a1"));
    let records: Vec<String> = ledger.records().map(|record| hex(&record)).collect();
    let record = "010a0764656661756c740261310c7472616e73616374696f6e73030a757365725f746f6b656e01027b7d07";
    assert_eq!(records, ["0101070000000000000000", "010b01", record]);
}

fn check_command(command: Command, golden: &str) {
    let mut bytes = Vec::new();
    encode_command(&command, &mut bytes);
    assert_eq!(hex(&bytes), golden, "{command:?}");
    assert_eq!(decode_command(&bytes), Ok(command));
}

#[test]
fn a_letter_is_kept_once_and_dropped_once() {
    let mut ledger = Ledger::new();
    assert_eq!(shelve(&mut ledger, 1, letter("a")), Output::Shelved(Shelved::Kept));
    assert_eq!(shelve(&mut ledger, 2, letter("a")), Output::Shelved(Shelved::Known));
    assert_eq!(shelve(&mut ledger, 3, letter("b")), Output::Shelved(Shelved::Kept));
    let other = DeadLetter { program: Program::new("other").expect("an id"), ..letter("a") };
    assert_eq!(shelve(&mut ledger, 4, other), Output::Shelved(Shelved::Kept));

    let listed = ledger.letters(&program(), Timestamp(0), 10);
    let ids: Vec<_> = listed.iter().map(|letter| (letter.letter.id.as_str(), letter.at.0)).collect();
    assert_eq!(ids, [("a", 1), ("b", 3)]);
    assert_eq!(ledger.letters(&program(), Timestamp(1), 1), ledger.letters(&program(), Timestamp(2), 10));
    assert_eq!(ledger.letter(&program(), &token("b")), listed.get(1).cloned());

    let drop = Command::DropLetter(DropLetter { program: program(), id: token("a") });
    assert_eq!(ledger.apply(Timestamp(5), &drop), Output::Dropped(Dropped::Gone));
    assert_eq!(ledger.apply(Timestamp(6), &drop), Output::Dropped(Dropped::Unknown));
    assert_eq!((ledger.letters_count(), ledger.check()), (2, vec![]));
}

#[test]
fn the_list_has_a_bound_in_letters_and_in_bytes() {
    let mut ledger = Ledger::new();
    let sized = |bytes, detail| DeadLetter { bytes: vec![b' '; bytes], detail: "x".repeat(detail), ..letter("sized") };
    let (most, longest) = (DeadLetter::BYTES_MAX, DeadLetter::DETAIL_BYTES_MAX);
    assert_eq!(shelve(&mut ledger, 1, sized(most + 1, 0)), Output::Shelved(Shelved::TooLarge));
    assert_eq!(shelve(&mut ledger, 1, sized(0, longest + 1)), Output::Shelved(Shelved::TooLarge));
    let mut bytes = Vec::new();
    encode_command(&Command::Shelve(sized(most + 1, 0)), &mut bytes);
    assert_eq!(decode_command(&bytes), Err(Malformed::Content("more than a letter keeps")));

    assert_eq!(shelve(&mut ledger, 1, sized(most, longest)), Output::Shelved(Shelved::Kept));
    for number in 1..DeadLetter::COUNT_MAX {
        assert_eq!(shelve(&mut ledger, 1 + number, letter(&number.to_string())), Output::Shelved(Shelved::Kept));
    }
    let over = Command::Shelve(letter("over"));
    assert_eq!(ledger.apply(Timestamp(9000), &over), Output::Shelved(Shelved::Full));
    assert_eq!(shelve(&mut ledger, 9001, letter("1")), Output::Shelved(Shelved::Known));
    ledger.apply(Timestamp(9002), &Command::DropLetter(DropLetter { program: program(), id: token("1") }));
    assert_eq!(ledger.apply(Timestamp(9003), &over), Output::Shelved(Shelved::Kept));
    assert_eq!(ledger.letters_count(), DeadLetter::COUNT_MAX);
}

#[test]
fn a_snapshot_carries_them_all_or_is_refused() {
    let mut ledger = Ledger::new();
    for (at, id) in [(1, "a"), (2, "b"), (3, "c")] {
        shelve(&mut ledger, at, letter(id));
    }
    let records: Vec<Vec<u8>> = ledger.records().collect();
    assert_eq!(ledger.records_count(), records.len() as u64);
    let restored = |records: &[Vec<u8>]| {
        let mut restore = Restore::new();
        records.iter().try_for_each(|record| restore.add(record))?;
        restore.finish()
    };
    let same = restored(&records).expect("whole");
    assert_eq!((same.digest(), same.letters_count()), (ledger.digest(), 3));
    assert_eq!(same.letters(&program(), Timestamp(0), 9), ledger.letters(&program(), Timestamp(0), 9));
    for missing in 0..records.len() {
        let rest: Vec<_> =
            records.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, of)| of.clone()).collect();
        assert!(restored(&rest).is_err(), "without record {missing}");
        let twice: Vec<_> = records.iter().chain([&records[missing]]).cloned().collect();
        assert!(restored(&twice).is_err(), "record {missing} twice");
    }
    shelve(&mut ledger, 4, letter("d"));
    assert_ne!(same.digest(), ledger.digest());
}
