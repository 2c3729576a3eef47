//! The cluster's versions: what each of them added that a program from before it would not understand.
//!
//! What must hold: a command that not every program understands names here the version that brought it, so that it is
//! not proposed before all nodes understand it (`cluster`'s `versions.rs`); a number is never given another meaning. A
//! change of how a command that exists is decided is a new command: replicas of two programs must not decide one
//! command in two ways.
//!
//! | version | since | added |
//! |---|---|---|
//! | 0 | 0.1.0 | everything of a program that says nothing of versions |
//! | 1 | 0.1.0 | the versions themselves; books that come from a backup |
//! | 2 | 0.1.0 | packed chunks of the history |

use ledger::Command;

/// The highest version that this program understands.
pub const CLUSTER_VERSION_MAX: u32 = 2;

/// The version of a cluster whose books come from a backup, at least.
pub const RESTORED: u32 = 1;

/// From this version on every node reads the history's chunks when they are packed.
pub const PACKED_HISTORY: u32 = 2;

/// From which version on every node understands this command.
pub fn since(command: &Command) -> u32 {
    match command {
        Command::Authorize(_)
        | Command::Force(_)
        | Command::Void(_)
        | Command::Open(_)
        | Command::Move(_)
        | Command::SetStatus(_)
        | Command::Event(_)
        | Command::Sweep(_)
        | Command::Shelve(_)
        | Command::DropLetter(_)
        | Command::SetControls(_)
        | Command::SetParty(_)
        | Command::Forget(_) => 0,
        Command::Restored(_) | Command::Reconciled(_) => RESTORED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Note, Reconciled};

    #[test]
    fn what_is_proposed_is_understood_here() {
        const { assert!(RESTORED <= CLUSTER_VERSION_MAX && PACKED_HISTORY <= CLUSTER_VERSION_MAX) };
        let note = |text| Note::new(text).expect("a note");
        let done = Command::Reconciled(Box::new(Reconciled { who: note("ann"), why: note("ticket 4711") }));
        assert_eq!(since(&done), 1);
    }
}
