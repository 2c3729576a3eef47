//! The commands and their arguments. What can be checked without a node is checked here, and is a usage error.

use crate::controls::span;
use clap::Subcommand;
use ledger::{Currency, Seconds, Token, UserToken};
use std::path::PathBuf;

/// Rows of one answer: each thousand is one call, which scans the accounts.
const ROWS_MAX: i64 = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Accounts and their money
    #[command(subcommand)]
    Account(Account),
    /// The nodes and who leads them
    #[command(subcommand)]
    Cluster(Cluster),
    /// The circuit breaker of each node that is given
    #[command(subcommand)]
    Breaker(Breaker),
    /// What each node that is given may say alone
    #[command(subcommand, name = "standin")]
    StandIn(StandIn),
    /// Reports of the processor that could not be booked
    #[command(subcommand, name = "deadletter", alias = "deadletters")]
    DeadLetter(DeadLetter),
    /// Spend controls and fraud signals of a programme
    #[command(subcommand)]
    Controls(Controls),
    /// Cards: whether they may be used
    #[command(subcommand)]
    Card(Card),
    /// Users: account holders and who acts in their place
    #[command(subcommand)]
    User(UserParty),
    /// Every decision and posting in the order of the log, a JSON document a line
    Events(Events),
    /// Show the alarms of each node that is given; exit 1 if any is raised, 3 if one of them does not answer
    Alarms,
    /// Write the books as they are at one log index to a file, checked and synced
    Backup(Backup),
    /// After a restore: find out what the books lack, and end the mode that follows it
    Reconcile(Reconcile),
    /// Check the invariants, and compare all members at one log index
    Verify {
        /// Be content with the members that can be reached
        #[arg(long)]
        allow_missing: bool,
    },
    /// Say what is remembered of a token
    Explain {
        /// `jit_funding.token` of the request
        #[arg(value_parser = Token::new)]
        token: Token,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// Open an account, or a further currency of one; what is there already is left as it is
    Open {
        #[command(flatten)]
        user: User,
        /// ISO 4217 code
        #[arg(long, value_parser = currency)]
        currency: Currency,
        /// First credit, as decimal text
        #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
        credit: Option<String>,
    },
    /// Show an account
    Show {
        #[command(flatten)]
        user: User,
        #[command(flatten)]
        freshness: Freshness,
    },
    /// List accounts by user token
    List {
        /// Only those whose user token begins so
        #[arg(long, default_value = "")]
        prefix: String,
        /// Only those after this user token
        #[arg(long, default_value = "", value_name = "USER")]
        after: String,
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        freshness: Freshness,
    },
    /// Book money to an account
    Credit(Movement),
    /// Book money from an account; at most what is available
    Debit(Movement),
    /// Decline new requests; what stands goes on
    Freeze(User),
    /// Take new requests again
    Unfreeze(User),
    /// Close an account for ever; needs zero posted and no hold
    Close(User),
    /// List the holds of an account, or those that nobody has confirmed
    Holds {
        /// The processor's token of the account holder
        #[arg(value_parser = UserToken::new, required_unless_present = "unconfirmed_for")]
        user: Option<UserToken>,
        /// Instead, those of all accounts that no report of the processor has confirmed for so long, as `90s`, `10m`,
        /// `2h` or `1d`: it may not know of them
        #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "user")]
        unconfirmed_for: Option<Seconds>,
        /// Only those after this number
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        after: u64,
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        freshness: Freshness,
    },
    /// Show what happened to an account, oldest first, from the history of the node that answers
    Journal {
        #[command(flatten)]
        user: User,
        #[command(flatten)]
        begin: Begin,
        #[command(flatten)]
        rows: Rows,
    },
    /// Show how far the limits of the programme's rules are used
    Limits {
        #[command(flatten)]
        user: User,
        /// And those of this card
        #[arg(long, value_name = "CARD", value_parser = Token::new)]
        card: Option<Token>,
        /// And those of this card product
        #[arg(long, value_name = "PRODUCT", value_parser = Token::new)]
        product: Option<Token>,
        #[command(flatten)]
        freshness: Freshness,
    },
    /// Open many accounts from a file, checked as a whole first; what is there already is left as it is, so an import
    /// that broke off is done again
    Import {
        /// `.csv`: a header user_token,currency,credit and a line for each account. Otherwise one JSON object
        /// {"user_token","currency","credit"} a line; `-` is standard input
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Events {
    #[command(flatten)]
    pub(super) begin: Begin,
    /// Wait for more when there is nothing yet, until interrupted
    #[arg(long)]
    pub(super) follow: bool,
}

/// Where to begin in the history.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Begin {
    /// At this index of the log; otherwise at the oldest that is kept
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(super) from: u64,
    /// At this time before now, as `90s`, `10m`, `2h` or `1d`
    #[arg(long, value_name = "TIME", value_parser = span, conflicts_with = "from")]
    pub(super) since: Option<Seconds>,
}

impl Begin {
    /// The log time of `since`; zero without it.
    pub(super) fn since_us(self) -> u64 {
        let back = |Seconds(seconds)| crate::clock::wall_clock_us().saturating_sub(u64::from(seconds) * 1_000_000);
        self.since.map_or(0, back)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Controls {
    /// Set all of them at once from a file, TOML or JSON; says what changes
    Set {
        /// The file; `-` is standard input
        file: PathBuf,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Refuse if the current version is not this one
        #[arg(long, value_name = "VERSION")]
        based_on: Option<u64>,
    },
    /// Show them as a file that can be set again
    Show {
        #[command(flatten)]
        freshness: Freshness,
    },
    /// Show what each rule has done, those in shadow too
    Report {
        #[command(flatten)]
        freshness: Freshness,
    },
    /// Print the JSON schema of the file
    Schema,
}

#[derive(Debug, Subcommand)]
pub(super) enum Card {
    /// Show what was said of it
    Show(CardName),
    /// Decline it until it is unfrozen
    Freeze(CardName),
    /// Take back what an operator has said of it
    Unfreeze(CardName),
    /// Decline it because it is lost or stolen
    Lost(CardName),
    /// Decline it for good
    Close(CardName),
}

#[derive(Debug, clap::Args)]
pub(super) struct CardName {
    /// The processor's token of the card
    #[arg(value_name = "CARD", value_parser = Token::new)]
    pub(super) card: Token,
}

#[derive(Debug, Subcommand)]
pub(super) enum UserParty {
    /// Show what was said of them
    Show(User),
    /// Decline them until they are unfrozen
    Freeze(User),
    /// Take back what an operator has said of them
    Unfreeze(User),
    /// Decline them for good
    Close(User),
}

#[derive(Debug, Subcommand)]
pub(super) enum Cluster {
    /// Show the nodes, as the one that answers sees them
    Status,
    /// Take a snapshot on the node that answers
    Snapshot {
        /// Only list those that it has
        #[arg(long)]
        list: bool,
    },
    /// Mint an id for a node that will come up at these addresses with `cluster.join`; it follows without a vote
    Add {
        /// `HOST:PORT` of its peer listener, as the others reach it
        #[arg(long, value_name = "HOST:PORT")]
        peer: String,
        /// `HOST:PORT` of its admin gRPC
        #[arg(long, value_name = "HOST:PORT")]
        admin: String,
    },
    /// Give a learner that has caught up a vote, or all that come until enough vote
    Promote {
        /// The learner
        #[arg(required_unless_present = "until", conflicts_with = "until")]
        id: Option<u64>,
        /// Every learner, as they come and catch up, until so many members vote
        #[arg(long, value_name = "VOTERS", value_parser = clap::value_parser!(u64).range(1..=9))]
        until: Option<u64>,
        /// With --until: give up after so long
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
        wait_s: u64,
    },
    /// Take a member out for ever; its id is never given again
    Remove {
        /// The member
        id: u64,
    },
    /// Give a learner the vote of another member, which is taken out
    Replace {
        /// Who goes, dead or alive
        old: u64,
        /// The learner that votes instead
        new: u64,
    },
    /// Hand leadership over
    TransferLeader {
        /// To this node; otherwise to the follower that is furthest
        #[arg(long, value_name = "ID")]
        to: Option<u64>,
    },
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Reconcile {
    #[command(subcommand)]
    pub(super) command: Option<ReconcileCommand>,
    /// An export of the processor's transactions, one JSON object a line as from its list endpoint: compare it with the
    /// books, and change nothing
    pub(super) file: Option<PathBuf>,
    /// Write what would repair the books as bodies for `/v1/webhooks`, one a line, to this new file
    #[arg(long, value_name = "FILE")]
    pub(super) repairs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReconcileCommand {
    /// Say that what the books lacked was looked through: new requests are decided again
    Done(Order),
}

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The file, which must not be there yet; or a directory, in which it gets a name of its own
    pub(super) file: PathBuf,
    /// Put it in the place of a file that is there
    #[arg(long)]
    pub(super) overwrite: bool,
    /// In a directory: remove all but the newest so many of this cluster
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) keep: Option<u16>,
    #[command(flatten)]
    pub(super) freshness: Freshness,
}

#[derive(Debug, Subcommand)]
pub(super) enum Breaker {
    /// Show it
    Status,
    /// Open it and keep it open: the node answers by policy
    ForceOpen(Order),
    /// Let it rule itself again
    Auto(Order),
}

#[derive(Debug, Subcommand)]
pub(super) enum StandIn {
    /// Show policy, journal, what is owed, and the worst case in money
    Status,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetter {
    /// List them, oldest first
    List {
        /// Only those kept after this log time, in microseconds
        #[arg(long, default_value_t = 0, value_name = "MICROSECONDS")]
        after: u64,
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        freshness: Freshness,
    },
    /// Show one with its item
    Show {
        /// Its id
        #[arg(value_parser = Token::new)]
        id: Token,
    },
    /// Book what it says, and take it out of the list
    Replay {
        /// Its id
        #[arg(value_parser = Token::new)]
        id: Token,
        /// The item corrected, one JSON object, in place of what was kept; `-` is standard input
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Take it out of the list without booking anything
    Drop {
        /// Its id
        #[arg(value_parser = Token::new)]
        id: Token,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Order {
    /// Who says so: it is kept and shown
    #[arg(long)]
    pub(super) who: String,
    /// For what reason
    #[arg(long)]
    pub(super) why: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct User {
    /// The processor's token of the account holder
    #[arg(value_name = "USER", value_parser = UserToken::new)]
    pub(super) user: UserToken,
}

#[derive(Debug, clap::Args)]
pub(super) struct Movement {
    #[command(flatten)]
    pub(super) user: User,
    /// Decimal text with at most the currency's digits
    #[arg(allow_negative_numbers = true)]
    pub(super) amount: String,
    /// ISO 4217 code
    #[arg(long, value_parser = currency)]
    pub(super) currency: Currency,
    /// Names this movement for ever: with the same key it happens once, however often it is asked for
    #[arg(long, value_parser = Token::new)]
    pub(super) key: Token,
}

#[derive(Debug, clap::Args)]
pub(super) struct Rows {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=ROWS_MAX))]
    pub(super) limit: u32,
}

#[derive(Debug, clap::Args)]
pub(super) struct Freshness {
    /// What the node that answers has, be it behind the others; needs no quorum
    #[arg(long)]
    pub(super) stale: bool,
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::from_code(text).ok_or_else(|| "is not an alpha-3 code of ISO 4217".to_owned())
}
