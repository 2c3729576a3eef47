//! `holdfast ctl`: the operator's command line, over the admin gRPC interface of any node.
//!
//! **What lives here.** [`Args`] is what can be typed (`line`, `command`), [`run`] does it. `nodes` finds a node that
//! answers, `account`, `cluster`, `controls`, `dead_letter`, `import` and `party` are the commands, `answer` and
//! `failure` are what is printed.
//!
//! **What must hold.** With `--json`, standard output is exactly one JSON document, whatever happens; `events` prints
//! one a line. Exit codes: 0 done; 1 refused, or `verify` found a difference; 2 usage; 3 no endpoint or no quorum, and
//! nothing was done; 4 the outcome is unknown. Unknown is never shown as failed, and nothing is repeated that is not
//! idempotent.
//!
//! **What is deliberately not here.** Decisions: the node refuses. What is checked here only spares a way there.

mod access;
mod account;
mod alarms;
mod answer;
mod backup;
mod cluster;
mod command;
mod controls;
mod dead_letter;
mod events;
mod explain;
mod failure;
mod file;
mod import;
mod line;
mod nodes;
mod party;
mod promote;
mod reconcile;
mod stand_in;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use access::{Access, AccessArgs};
pub(crate) use answer::Answer;
pub(crate) use failure::Failure;
pub use line::Args;
pub(crate) use nodes::{Client, Endpoint, KEYED, Nodes, ORDER, READ};
pub(crate) use time::utc;

use command::Command;
use std::ffi::OsString;
use std::io::Write;

/// Does what was asked, prints what came of it, and returns the exit code.
pub async fn run(args: Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let style = Style::of(args.json);
    let nodes = match args.access.read() {
        Ok(access) => Nodes::new(args.endpoints, access),
        Err(failure) => return print_failure(&failure, style, out, err),
    };
    let done = match args.command {
        Command::Events(of) => return events::run(of, args.program, nodes, style, out, err).await,
        Command::Account(command) => account::run(command, args.program, nodes).await,
        Command::Cluster(command) => cluster::run(command, nodes).await,
        Command::Breaker(command) => stand_in::breaker(command, nodes).await,
        Command::StandIn(command::StandIn::Status) => stand_in::status(nodes).await,
        Command::DeadLetter(command) => dead_letter::run(command, args.program, nodes).await,
        Command::Controls(command) => controls::run(command, args.program, nodes).await,
        Command::Card(command) => party::card(command, args.program, nodes).await,
        Command::User(command) => party::user(command, args.program, nodes).await,
        Command::Alarms => alarms::run(nodes).await,
        Command::Backup(of) => backup::run(of, nodes).await,
        Command::Reconcile(of) => reconcile::run(of, args.program, nodes).await,
        Command::Verify { allow_missing } => cluster::verify(allow_missing, nodes).await,
        Command::Explain { token } => explain::explain(token, args.program, nodes).await,
    };
    finish(done, args.json, out, err)
}

/// Prints what came of a command, for programs or for people, and returns the exit code.
pub(crate) fn finish(done: Result<Answer, Failure>, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let style = Style::of(json);
    match done {
        Ok(answer) => print_answer(&answer, style, out, err),
        Err(failure) => print_failure(&failure, style, out, err),
    }
}

/// Prints why a command line cannot be read, or the help that it asks for, and returns the exit code. `words` are those
/// of the command line, in which `--json` is looked for.
pub fn misused(
    error: &clap::Error,
    words: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    if !error.use_stderr() {
        print(&error.render().to_string(), out, err);
        return 0;
    }
    let style = Style::of(words.into_iter().any(|word| word == "--json"));
    let text = error.render().to_string();
    let failure = Failure::Usage(text.trim_end().trim_start_matches("error: ").to_owned());
    print_failure(&failure, style, out, err)
}

/// For whom it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// People.
    Text,
    /// Programs.
    Json,
}

impl Style {
    fn of(json: bool) -> Style {
        if json { Style::Json } else { Style::Text }
    }
}

fn print_answer(answer: &Answer, style: Style, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match style {
        Style::Text => print(&answer.text, out, err),
        Style::Json => print(&format!("{}\n", answer.json), out, err),
    };
    answer.exit
}

fn print_failure(failure: &Failure, style: Style, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // If standard error is gone there is nobody left to tell; the exit code still says it.
    let _ = writeln!(err, "{}: {}", failure.kind(), failure.message());
    if style == Style::Json {
        print(&format!("{}\n", failure.json()), out, err);
    }
    failure.exit()
}

/// The exit code is about the cluster and does not change because nobody could read the answer. False if so.
fn print(text: &str, out: &mut dyn Write, err: &mut dyn Write) -> bool {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) => {
            let _ = writeln!(err, "print the answer: {error}");
            false
        }
    }
}
