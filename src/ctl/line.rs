//! What can be typed on any level of the command line, before and after the subcommand.
//!
//! What must hold: endpoints add up wherever they stand. An argument that clap calls global would forget those before
//! the subcommand as soon as there is one behind it, so it is put on every level and gathered here.

use super::AccessArgs;
use super::command::Command;
use super::nodes::Endpoint;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Error, FromArgMatches};
use ledger::Program;

/// The id of the argument that is gathered: the name of its field.
const ENDPOINTS: &str = "endpoints";

#[derive(Debug, clap::Args)]
struct Typed {
    /// Admin interface of a node, `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`; repeat it, and those that do
    /// not answer are passed over
    #[arg(
        long = "endpoint",
        value_name = "ENDPOINT",
        env = "HOLDFAST_ENDPOINTS",
        value_delimiter = ',',
        default_value = "127.0.0.1:9541",
        value_parser = Endpoint::parse
    )]
    endpoints: Vec<Endpoint>,

    /// Print exactly one JSON document
    #[arg(long, global = true)]
    json: bool,

    /// The card programme
    #[arg(long, default_value = "default", value_parser = Program::new, global = true)]
    program: Program,

    #[command(flatten)]
    access: AccessArgs,

    #[command(subcommand)]
    command: Command,
}

/// What `holdfast ctl` takes.
#[derive(Debug)]
pub struct Args {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) json: bool,
    pub(super) program: Program,
    pub(super) access: AccessArgs,
    pub(super) command: Command,
}

impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = <Typed as clap::Args>::augment_args(command);
        let top = command.get_arguments().find(|argument| argument.get_id() == ENDPOINTS).cloned();
        match top {
            // The environment and the default count once, at the top.
            Some(top) => below(command, &top.env(None::<&str>).default_value(None::<&str>)),
            None => command,
        }
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// Adds an argument to every level below this one.
fn below(command: clap::Command, argument: &Arg) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let add = |one: clap::Command| below(one.arg(argument), argument);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, add))
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Typed { endpoints, json, program, access, command } = Typed::from_arg_matches(matches)?;
        let typed = typed_endpoints(matches);
        let endpoints = if typed.is_empty() { endpoints } else { typed };
        Ok(Args { endpoints, json, program, access, command })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Those on the command line, from the top down.
fn typed_endpoints(matches: &ArgMatches) -> Vec<Endpoint> {
    let levels = std::iter::successors(Some(matches), |level| level.subcommand().map(|(_, below)| below));
    let typed = levels.filter(|level| level.value_source(ENDPOINTS) == Some(ValueSource::CommandLine));
    typed.flat_map(|level| level.get_many::<Endpoint>(ENDPOINTS).into_iter().flatten().cloned()).collect()
}
