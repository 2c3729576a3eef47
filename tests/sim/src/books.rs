//! The real ledger, watched: what each node applies is told to the [`crate::oracle`].

use crate::glue::LedgerMachine;
use crate::oracle;
use bytes::Bytes;
use cluster::{Malformed, Stamp, StateMachine};
use ledger::{Command, Ledger, Output};

/// The product's own machine.
pub struct Watched(LedgerMachine);

impl AsRef<Ledger> for Watched {
    fn as_ref(&self) -> &Ledger {
        self.0.as_ref()
    }
}

impl StateMachine for Watched {
    type Command = Command;
    type Output = Output;

    fn empty() -> Self {
        Watched(LedgerMachine::empty())
    }

    fn apply(&mut self, stamp: Stamp, command: &Command) -> Output {
        let changed = oracle::before(command.clone());
        let output = self.0.apply(stamp, &changed);
        oracle::applied(stamp, command.clone(), &output);
        output
    }

    fn warm(&self, commands: &[Command]) {
        self.0.warm(commands);
    }

    fn freeze(&self) -> Self {
        Watched(self.0.freeze())
    }

    fn free_some(&mut self) -> bool {
        self.0.free_some()
    }

    fn digest(&self) -> [u8; 16] {
        self.0.digest()
    }

    fn violations(&self) -> Vec<String> {
        self.0.violations()
    }

    fn records_count(&self) -> u64 {
        self.0.records_count()
    }

    fn records(&self) -> Box<dyn Iterator<Item = Vec<u8>> + Send + '_> {
        self.0.records()
    }

    fn restore(records: &mut dyn Iterator<Item = Bytes>) -> Result<Self, Malformed> {
        oracle::restored();
        LedgerMachine::restore(records).map(Watched)
    }

    fn since(command: &Command) -> u32 {
        LedgerMachine::since(command)
    }

    fn encode_command(command: &Command, into: &mut Vec<u8>) {
        LedgerMachine::encode_command(command, into);
    }

    fn decode_command(bytes: &[u8]) -> Result<Command, Malformed> {
        LedgerMachine::decode_command(bytes)
    }

    fn encode_output(output: &Output, into: &mut Vec<u8>) {
        LedgerMachine::encode_output(output, into);
    }

    fn decode_output(bytes: &[u8]) -> Result<Output, Malformed> {
        LedgerMachine::decode_output(bytes)
    }
}
