//! The ledger as the machine that the cluster replicates.
//!
//! Nothing is decided here: a stamp becomes the ledger's time, bytes become its commands, and its records become a
//! snapshot's.

use crate::version;
use bytes::Bytes;
use cluster::{Malformed, Stamp, StateMachine};
use ledger::{Command, Ledger, Output, Restore, Timestamp};

/// The books of one node.
pub struct LedgerMachine(Ledger);

impl AsRef<Ledger> for LedgerMachine {
    fn as_ref(&self) -> &Ledger {
        &self.0
    }
}

impl LedgerMachine {
    /// Around these books.
    #[cfg(test)]
    pub fn of(books: Ledger) -> LedgerMachine {
        LedgerMachine(books)
    }
}

fn malformed(what: &'static str) -> impl Fn(ledger::Malformed) -> Malformed {
    move |error| Malformed { what, why: error.to_string() }
}

impl StateMachine for LedgerMachine {
    type Command = Command;
    type Output = Output;

    fn empty() -> Self {
        LedgerMachine(Ledger::new())
    }

    fn apply(&mut self, stamp: Stamp, command: &Command) -> Output {
        #[cfg(feature = "planted")]
        let (stamp, command) = &crate::planted::before_applying(&self.0, stamp, command.clone());
        self.0.apply(Timestamp(stamp.time_us), command)
    }

    fn warm(&self, commands: &[Command]) {
        self.0.warm(commands);
    }

    fn freeze(&self) -> Self {
        LedgerMachine(self.0.clone())
    }

    fn free_some(&mut self) -> bool {
        self.0.free_some()
    }

    fn digest(&self) -> [u8; 16] {
        self.0.digest()
    }

    fn violations(&self) -> Vec<String> {
        self.0.check().iter().map(ToString::to_string).collect()
    }

    fn records_count(&self) -> u64 {
        self.0.records_count()
    }

    fn records(&self) -> Box<dyn Iterator<Item = Vec<u8>> + Send + '_> {
        Box::new(self.0.records())
    }

    fn restore(records: &mut dyn Iterator<Item = Bytes>) -> Result<Self, Malformed> {
        let mut restore = Restore::new();
        for record in records {
            restore.add(&record).map_err(malformed("snapshot record"))?;
        }
        restore.finish().map(LedgerMachine).map_err(malformed("snapshot"))
    }

    fn since(command: &Command) -> u32 {
        #[cfg(feature = "planted")]
        if let Some(since) = crate::planted::since(command) {
            return since;
        }
        version::since(command)
    }

    fn encode_command(command: &Command, into: &mut Vec<u8>) {
        ledger::encode_command(command, into);
    }

    fn decode_command(bytes: &[u8]) -> Result<Command, Malformed> {
        ledger::decode_command(bytes).map_err(malformed("command"))
    }

    fn encode_output(output: &Output, into: &mut Vec<u8>) {
        ledger::encode_output(output, into);
    }

    fn decode_output(bytes: &[u8]) -> Result<Output, Malformed> {
        ledger::decode_output(bytes).map_err(malformed("output"))
    }
}
