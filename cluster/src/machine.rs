//! What a machine must offer to be replicated.

use bytes::Bytes;

/// When and where a command is applied. The same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Log index of the entry that carries the command; a batch shares one.
    pub index: u64,
    /// Log time: microseconds since the Unix epoch, strictly increasing from command to command.
    pub time_us: u64,
}

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {why}")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// A deterministic, total state machine with cheap copies.
///
/// The state lives in memory and is shared copy-on-write: [`StateMachine::freeze`] takes microseconds whatever the
/// size, and later changes never show in the copy.
pub trait StateMachine: Send + Sync + Sized + 'static {
    /// What is proposed.
    type Command: Send + Sync + 'static;
    /// What `apply` answers.
    type Output: Send + 'static;

    /// The state before the first command.
    fn empty() -> Self;

    /// Deterministic and total: same stamp, same command, same state, same output. Never fails, never waits.
    fn apply(&mut self, stamp: Stamp, command: &Self::Command) -> Self::Output;

    /// These commands are applied next: fetch what they will look at, if that is worth it. It must change nothing.
    fn warm(&self, commands: &[Self::Command]) {
        let _ = commands;
    }

    /// A copy that later changes do not touch.
    fn freeze(&self) -> Self;

    /// Frees a little of a copy that nobody needs any more; false when nothing is left of it but what drops at once.
    fn free_some(&mut self) -> bool {
        false
    }

    /// A digest of the whole state; equal on all nodes at the same index. May take seconds: called on a frozen copy.
    fn digest(&self) -> [u8; 16];

    /// Broken invariants, in words. Empty when all is well. Called on a frozen copy.
    fn violations(&self) -> Vec<String>;

    /// How many records [`StateMachine::records`] will give.
    fn records_count(&self) -> u64;

    /// The state as records, for a snapshot.
    fn records(&self) -> Box<dyn Iterator<Item = Vec<u8>> + Send + '_>;

    /// The state back from the records of a snapshot.
    fn restore(records: &mut dyn Iterator<Item = Bytes>) -> Result<Self, Malformed>;

    /// From which version of the cluster on every node understands this command: below it the command is not proposed.
    fn since(command: &Self::Command) -> u32 {
        let _ = command;
        0
    }

    /// Appends the encoded command.
    fn encode_command(command: &Self::Command, into: &mut Vec<u8>);

    /// Reads a command. Bytes come from peers and disks: every malformation is an error.
    fn decode_command(bytes: &[u8]) -> Result<Self::Command, Malformed>;

    /// Appends the encoded output.
    fn encode_output(output: &Self::Output, into: &mut Vec<u8>);

    /// Reads an output.
    fn decode_output(bytes: &[u8]) -> Result<Self::Output, Malformed>;
}
