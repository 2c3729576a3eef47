//! Random commands against an independent, naive model, and what must hold of any books whatsoever.
//!
//! `HOLDFAST_CASES` is how many sequences each property tries (64 if it is not set). A failing one is shrunk and
//! printed with its seed.

#[path = "model/commands.rs"]
mod commands;
#[path = "model/naive.rs"]
mod naive;

use commands::{PROGRAMS, USERS, commands, reported};
use holdfast_ledger::*;
use naive::Naive;
use proptest::prelude::*;

const COMMANDS_MAX: usize = 200;
/// The audit scans; a sequence of 200 is audited a dozen times.
const CHECK_EVERY: usize = 16;
/// For properties that scan after every command.
const COMMANDS_SCANNED_MAX: usize = 40;

fn config() -> ProptestConfig {
    let cases = std::env::var("HOLDFAST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig::with_cases(cases)
}

fn run(ledger: &mut Ledger, commands: &[Command]) -> Vec<Output> {
    let stamped = commands.iter().enumerate();
    stamped.map(|(at, command)| ledger.apply(Timestamp(at as u64), command)).collect()
}

fn restored(ledger: &Ledger) -> Result<Ledger, Malformed> {
    let mut restore = Restore::new();
    for record in ledger.records() {
        restore.add(&record)?;
    }
    restore.finish()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_and_balances_are_those_of_the_model(commands in commands(COMMANDS_MAX)) {
        let mut ledger = Ledger::new();
        let mut naive = Naive::default();
        for (at, command) in commands.iter().enumerate() {
            let output = ledger.apply(Timestamp(at as u64), command);
            prop_assert_eq!(output, naive.apply(command), "command {}", at);
            for program in PROGRAMS {
                let program = Program::new(program).expect("an id");
                for user in USERS {
                    let user = UserToken::new(user).expect("an id");
                    prop_assert_eq!(ledger.account(&program, &user), naive.account(program, user), "command {}", at);
                }
            }
            let count = |of: fn(&naive::Entry) -> bool| naive.tokens.values().filter(|entry| of(entry)).count() as u64;
            prop_assert_eq!(ledger.conflicts_count(), count(naive::Entry::conflict), "command {}", at);
            prop_assert_eq!(ledger.impossible_count(), count(naive::Entry::impossible), "command {}", at);
            if at % CHECK_EVERY == 0 {
                prop_assert_eq!(ledger.check(), []);
            }
        }
        prop_assert_eq!(ledger.check(), []);
        prop_assert_eq!(ledger.tokens_count(), naive.tokens.len() as u64);
    }

    #[test]
    fn a_snapshot_restores_the_same_books(before in reported(COMMANDS_MAX), after in reported(COMMANDS_MAX)) {
        let mut ledger = Ledger::new();
        run(&mut ledger, &before);
        let mut again = restored(&ledger).expect("restored");
        prop_assert_eq!(again.digest(), ledger.digest());
        prop_assert_eq!(again.check(), []);
        prop_assert_eq!(run(&mut again, &after), run(&mut ledger, &after));
        prop_assert_eq!(again.digest(), ledger.digest());
    }

    #[test]
    fn a_clone_never_changes(before in reported(COMMANDS_MAX), after in reported(COMMANDS_MAX)) {
        let mut ledger = Ledger::new();
        run(&mut ledger, &before);
        let frozen = ledger.clone();
        let (digest, records) = (frozen.digest(), frozen.records().collect::<Vec<_>>());
        run(&mut ledger, &after);
        prop_assert_eq!(frozen.digest(), digest);
        prop_assert!(frozen.records().eq(records));
        prop_assert_eq!(frozen.check(), []);
    }

    #[test]
    fn warming_changes_nothing(commands in reported(COMMANDS_SCANNED_MAX)) {
        let (mut warmed, mut cold) = (Ledger::new(), Ledger::new());
        for (at, command) in commands.iter().enumerate() {
            warmed.warm(&commands[at..]);
            prop_assert_eq!(warmed.digest(), cold.digest());
            let at = Timestamp(at as u64);
            prop_assert_eq!(warmed.apply(at, command), cold.apply(at, command));
        }
        prop_assert_eq!(warmed.check(), []);
    }

    /// Model M1: settlements come again and again until they are seen, so coming again must be idle.
    #[test]
    fn a_command_applied_again_changes_nothing(commands in reported(COMMANDS_SCANNED_MAX)) {
        let mut ledger = Ledger::new();
        for (at, command) in commands.iter().enumerate() {
            ledger.apply(Timestamp(at as u64), command);
            let digest = ledger.digest();
            ledger.apply(Timestamp(at as u64), command);
            prop_assert_eq!(ledger.digest(), digest, "command {}", at);
            prop_assert_eq!(ledger.check(), [], "command {}", at);
        }
    }

    #[test]
    fn commands_and_outputs_survive_their_bytes(commands in reported(COMMANDS_MAX)) {
        let mut ledger = Ledger::new();
        for command in &commands {
            let mut bytes = Vec::new();
            encode_command(command, &mut bytes);
            prop_assert_eq!(&decode_command(&bytes), &Ok(command.clone()));
            bytes.push(0);
            prop_assert_eq!(decode_command(&bytes), Err(Malformed::Trailing));

            let output = ledger.apply(Timestamp(1), command);
            bytes.clear();
            encode_output(&output, &mut bytes);
            prop_assert_eq!(decode_output(&bytes), Ok(output));
        }
    }

    /// Hostile bytes are refused or are a command; whatever they are, nothing panics and the books stay sound.
    #[test]
    fn any_bytes_are_taken(commands in reported(20), flips in prop::collection::vec((0..400usize, any::<u8>()), 1..8)) {
        let mut ledger = Ledger::new();
        run(&mut ledger, &commands);
        for command in &commands {
            let mut bytes = Vec::new();
            encode_command(command, &mut bytes);
            for (at, byte) in &flips {
                let length = bytes.len();
                bytes[at % length] = *byte;
                if let Ok(command) = decode_command(&bytes) {
                    ledger.apply(Timestamp(1), &command);
                }
                let _ = decode_command(&bytes[..at % length]);
                let _ = decode_output(&bytes);
            }
        }
        prop_assert_eq!(ledger.check(), []);
    }

    /// A restored ledger is sound or is not restored, whatever was done to a record.
    #[test]
    fn any_records_are_taken(
        commands in reported(40),
        which in any::<prop::sample::Index>(),
        at in 0..400usize,
        byte in any::<u8>(),
    ) {
        let mut ledger = Ledger::new();
        run(&mut ledger, &commands);
        let mut records: Vec<Vec<u8>> = ledger.records().collect();
        let record = which.index(records.len());
        let length = records[record].len();
        records[record][at % length] = byte;
        let mut restore = Restore::new();
        if records.iter().all(|record| restore.add(record).is_ok()) && let Ok(mut ledger) = restore.finish() {
            run(&mut ledger, &commands);
        }
    }
}
