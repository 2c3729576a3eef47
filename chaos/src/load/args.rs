//! The options of `chaos load`, and what they mean together.
//!
//! What must hold: [`Settings`] exist only for options that make sense; everything that follows from several options is
//! decided here once. Not here: anything that runs.

use super::plan::Plan;
use super::tally::Server;
use super::template::{Names, Style, USER_DIGITS};
use crate::draw::mix;
use crate::money;
use anyhow::{Context, bail, ensure};
use base64::Engine;
use ledger::{Amount, Currency, UserToken};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const LONG_HELP: &str = "\
Examples:
  All three nodes of `holdfast up`, 64 connections as fast as they go, for 10 seconds:
    chaos load

  5,000 requests per second on a fixed schedule over 256 connections, latency counted from the intended time:
    chaos load --rate 5000 --connections 256 --duration 30s

  While nodes are killed: move to another node, ask again for lost replies, repeat 5 % of the tokens:
    chaos load --rate 1000 --failover --retry --repeat-share 5 --duration 2m --history run.jsonl --json run.json

  While nodes are restarted one after the other, as behind a balancer that follows readiness:
    chaos load --rate 2000 --retry --strict --ready 127.0.0.1:9441,127.0.0.1:9442,127.0.0.1:9443 --duration 1m

  A million accounts, opened once and used again:
    chaos load --accounts 1000000 --user-prefix big- --duration 10s
    chaos load --accounts 1000000 --user-prefix big- --no-open --duration 1m

  The bare HTTP server and Holdfast with the same driver:
    chaos load --plain --target 127.0.0.1:8180 --connections 64
    chaos load --target 127.0.0.1:8441 --connections 64

Loops:
  Closed (default): each connection sends its next request when the last is answered. Open (--rate): requests leave by a
  fixed schedule whatever the answers do; latency counts from the scheduled time, so a stall is felt by all that it
  delays. What waits longer than --backlog allows is dropped and reported as not sent in time.

The books:
  Before and after the run the sums over this run's accounts are read. A quorum's approvals must be held at once, and
  held must not exceed all approvals plus what was undecided or whose reply was lost. Then, until --settle-timeout, held
  must come down to the approvals (plus lost ones that stay possible): `settled`. Nobody else may use the accounts.

Exit code:
  0  all was well
  1  the books or the byte identity of repeated tokens are violated (--strict: or a reply was late, missing or of
     another status than 200 and 402)
  2  usage
  3  a target or the admin interface could not be reached, or the result is inconclusive (books not settled in time)

JSON (--json), one document; times in microseconds, money in minor units, shares in parts per million:
  {version, run_id, user_prefix, seed, mode, connections, threads, rate_wanted, measured_us, driver_cpu_us,
   warmup_requests, not_sent, sent_late, unknown_requests, strict, total: F, targets: [{target, ...F}],
   promises: {tokens, firm, stand_in, undecided, unknown, unknown_tokens, mismatches, mismatch_tokens: [...]},
   books: null | {verdict: settled|unsettled|violated, reason, waited_ms, held_before, held_after, posted_before,
                  posted_after, accounts, holds}, findings: [...], exit_code}
  F = {requests, rate_per_s, outcomes: [{status, outcome, count}], undecided_ppm,
       latency_us: {min, p50, p90, p99, p99_9, max}, late, unexpected_status, lost, timeouts, connect_errors,
       reconnects, idle_closed}

History (--history): a JSON line when a request leaves and one when it ends, for `chaos check`.";

/// Options of `chaos load`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LONG_HELP)]
pub struct Args {
    /// Where requests go; repeatable or with commas. Connections are spread evenly.
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:8441,127.0.0.1:8442,127.0.0.1:8443"
    )]
    target: Vec<String>,
    /// Connections over all targets.
    #[arg(long, short, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    connections: u64,
    /// Open loop: requests per second on a fixed schedule.
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// How long to measure after the warm-up (10s, 500ms, 2m). Without --requests: 10s.
    #[arg(long, short, value_parser = duration)]
    duration: Option<Duration>,
    /// Stop after this many requests, those of the warm-up included.
    #[arg(long, short = 'n', value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    requests: Option<u64>,
    /// Leave what is sent in this first time out of the figures. Default 2s; with --requests none.
    #[arg(long, value_parser = duration)]
    warmup: Option<Duration>,
    /// Open loop: how many requests may wait for a connection. Default: one second's.
    #[arg(long, value_name = "N")]
    backlog: Option<u64>,
    /// Threads that send. One is enough for tens of thousands of requests per second and leaves the rest to the nodes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: u64,
    /// Give a reply up after this time: its outcome is then unknown.
    #[arg(long, default_value = "3s", value_parser = duration)]
    timeout: Duration,
    /// A reply that takes longer is late.
    #[arg(long, value_name = "MS", default_value_t = 850, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    deadline_ms: u64,
    /// Late, missing and unexpected replies make the exit code 1.
    #[arg(long)]
    strict: bool,
    /// Connect to the next target when one fails, instead of the same again.
    #[arg(long)]
    failover: bool,
    /// Behave as behind a load balancer: check these admin HTTP interfaces, one for each --target in the same order,
    /// and use only targets whose `/readyz?quorum` says yes.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    ready: Vec<String>,
    /// Ask again with the same token at the next target when a reply is lost.
    #[arg(long)]
    retry: bool,
    /// How many accounts take part.
    #[arg(long, short, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    accounts: u64,
    /// What the user tokens begin with; six digits follow. Default: a prefix of this run's own, `load-RUNID-`.
    #[arg(long, value_name = "PREFIX")]
    user_prefix: Option<String>,
    /// The first credit of each account.
    #[arg(long, default_value = "1000000.00")]
    credit: String,
    /// ISO 4217 code of everything.
    #[arg(long, default_value = "USD")]
    currency: String,
    /// The smallest amount. Default: one unit of the currency, or --amount-max if that is less.
    #[arg(long)]
    amount_min: Option<String>,
    /// The largest amount. Default: 50 units of the currency.
    #[arg(long)]
    amount_max: Option<String>,
    /// This share of the requests goes to one account.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    hot: u64,
    /// This share of the requests repeats an earlier token and must get the same bytes.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=90))]
    repeat_share: u64,
    /// Do not open the accounts.
    #[arg(long)]
    no_open: bool,
    /// Do not check the books.
    #[arg(long)]
    no_check: bool,
    /// How long to wait for the books to settle.
    #[arg(long, default_value = "15s", value_parser = duration)]
    settle_timeout: Duration,
    /// Admin gRPC interfaces; repeatable or with commas.
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:9541,127.0.0.1:9542,127.0.0.1:9543"
    )]
    admin: Vec<String>,
    /// Everything random comes from it. Default: from the clock; it is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Twelve hexadecimal digits that name this run's tokens; the same seed and id ask for the same tokens again (then
    /// use --no-check: their holds are there already). Default: from the clock.
    #[arg(long, value_parser = run_id)]
    run_id: Option<u64>,
    /// User of the Basic authentication.
    #[arg(long, default_value = "marqeta")]
    user: String,
    /// Password of the Basic authentication.
    #[arg(long, default_value = "holdfast-dev-Password1!")]
    password: String,
    /// Path of the requests. Default /v1/jit, with --plain /.
    #[arg(long)]
    path: Option<String>,
    /// Load a server that is not Holdfast: small bodies, no authentication, no accounts, no books; any 200 counts.
    #[arg(long)]
    plain: bool,
    /// A status line every second, also without a terminal.
    #[arg(long)]
    progress: bool,
    /// Write the result as one JSON document to this file, or to the standard output (`-`) instead of the table.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write what was asked and heard as a history, for `chaos check`.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HOST:PORT` of each target.
    pub targets: Vec<String>,
    /// `HOST:PORT` of each target's probes; none: nobody checks.
    pub checks: Vec<String>,
    /// `HOST:PORT` of each admin interface.
    pub admins: Vec<String>,
    /// Over all targets.
    pub connections: u64,
    /// That send.
    pub threads: u64,
    /// Per second; none: closed loop.
    pub rate: Option<u64>,
    /// How many requests of one thread may wait.
    pub backlog_max: u64,
    /// Before the measurement.
    pub warmup: Duration,
    /// Of the measurement; none: until `requests` are sent.
    pub duration: Option<Duration>,
    /// At most.
    pub requests: u64,
    /// For one reply.
    pub timeout: Duration,
    /// Beyond it a reply is late.
    pub deadline: Duration,
    /// Late, missing and unexpected replies are violations.
    pub strict: bool,
    /// To the next target when one fails.
    pub failover: bool,
    /// Again at the next target when a reply is lost.
    pub retry: bool,
    /// What is asked.
    pub plan: Plan,
    /// Of tokens and users.
    pub names: Names,
    /// Of the requests; the host is that of the first target.
    pub style: Style,
    /// What answers.
    pub server: Server,
    /// First credit as text; none: accounts are not opened.
    pub open_credit: Option<String>,
    /// The books are checked, for at most this long; none: they are not.
    pub settle_timeout: Option<Duration>,
    /// A status line every second.
    pub progress: bool,
    /// Where the JSON goes.
    pub json: Option<PathBuf>,
    /// Where the history goes.
    pub history: Option<PathBuf>,
}

impl Args {
    /// The settings, or why there are none.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let chance = mix(clock.as_nanos() as u64 ^ u64::from(std::process::id()) << 40);
        let run = self.run_id.unwrap_or(chance >> 16);
        let seed = self.seed.unwrap_or_else(|| mix(chance));
        let targets = addresses(&self.target)?;
        let checks = if self.ready.is_empty() { Vec::new() } else { addresses(&self.ready)? };
        ensure!(checks.is_empty() || checks.len() == targets.len(), "--ready: one for each --target");
        let currency = Currency::from_code(&self.currency)
            .with_context(|| format!("--currency: {} is not supported", self.currency))?;
        let credit = amount("--credit", &self.credit, currency)?;
        let names = self.names(run)?;
        let style = self.style(&targets[0], currency)?;
        let plan = self.plan(seed, currency)?;
        let default_duration = self.requests.is_none().then_some(Duration::from_secs(10));
        let default_warmup = Duration::from_secs(if self.requests.is_none() { 2 } else { 0 });
        Ok(Settings {
            targets,
            checks,
            admins: addresses(&self.admin)?,
            connections: self.connections.max(self.threads),
            threads: self.threads,
            rate: self.rate,
            backlog_max: self.backlog.or(self.rate).unwrap_or_default().div_ceil(self.threads).max(1),
            warmup: self.warmup.unwrap_or(default_warmup),
            duration: self.duration.or(default_duration),
            requests: self.requests.unwrap_or(u64::MAX),
            timeout: self.timeout,
            deadline: Duration::from_millis(self.deadline_ms),
            strict: self.strict,
            failover: self.failover,
            retry: self.retry,
            plan,
            names,
            style,
            server: if self.plain { Server::Plain } else { Server::Holdfast },
            open_credit: (!self.no_open && !self.plain).then(|| money::format(credit.into(), currency.digits())),
            settle_timeout: (!self.no_check && !self.plain).then_some(self.settle_timeout),
            progress: self.progress,
            json: self.json.clone(),
            history: self.history.clone(),
        })
    }

    fn names(&self, run: u64) -> anyhow::Result<Names> {
        let user_prefix = self.user_prefix.clone().unwrap_or_else(|| format!("load-{run:012x}-"));
        let longest = format!("{user_prefix}{}", "0".repeat(USER_DIGITS));
        let length_max = UserToken::LEN_MAX - USER_DIGITS;
        ensure!(UserToken::new(&longest).is_ok(), "--user-prefix: at most {length_max} characters");
        let mut characters = user_prefix.bytes();
        let plain = characters.all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        ensure!(plain, "--user-prefix: only letters, digits and -_.:");
        Ok(Names { run, user_prefix })
    }

    fn style(&self, host: &str, currency: Currency) -> anyhow::Result<Style> {
        let default_path = if self.plain { "/" } else { "/v1/jit" };
        let path = self.path.as_deref().unwrap_or(default_path);
        let printable = path.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(path.starts_with('/') && printable, "--path: not a path");
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.user, self.password));
        Ok(Style {
            path: path.into(),
            host: host.into(),
            authorization: (!self.plain).then(|| format!("Basic {login}")),
            currency: currency.code().into(),
            digits: currency.digits(),
            plain: self.plain,
        })
    }

    fn plan(&self, seed: u64, currency: Currency) -> anyhow::Result<Plan> {
        let (amount_min, amount_max) = self.amounts(currency)?;
        Ok(Plan {
            seed,
            accounts: self.accounts,
            hot_percent: self.hot,
            repeat_percent: self.repeat_share,
            amount_min,
            amount_max,
            stride: self.threads,
        })
    }

    fn amounts(&self, currency: Currency) -> anyhow::Result<(u64, u64)> {
        let unit = 10u64.pow(u32::from(currency.digits()));
        let max = match &self.amount_max {
            Some(text) => amount("--amount-max", text, currency)?,
            None => 50 * unit,
        };
        let min = match &self.amount_min {
            Some(text) => amount("--amount-min", text, currency)?,
            None => unit.min(max),
        };
        ensure!(min >= 1, "--amount-min and --amount-max: zero holds nothing");
        ensure!(min <= max, "--amount-min is above --amount-max");
        Ok((min, max))
    }
}

fn amount(option: &str, text: &str, currency: Currency) -> anyhow::Result<u64> {
    let minor = money::parse(text, currency.digits()).and_then(|minor| u64::try_from(minor).ok());
    let minor = minor.with_context(|| format!("{option}: {text} is not an amount of {}", currency.code()))?;
    let amount = Amount::new(minor, currency).map_err(|error| anyhow::anyhow!("{option}: {text} {error}"))?;
    Ok(amount.minor())
}

/// `HOST:PORT`, with or without `http://`.
fn addresses(texts: &[String]) -> anyhow::Result<Vec<String>> {
    let mut addresses = Vec::new();
    for text in texts {
        let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        let printable = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !printable || !matches!(port, Some(Ok(_))) {
            bail!("{text} is not HOST:PORT");
        }
        addresses.push(address.to_owned());
    }
    ensure!(!addresses.is_empty(), "no address");
    Ok(addresses)
}

/// `500ms`, `10s` or `2m`; up to a day.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let unit_ms = match &text[split..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a number with ms, s, m or h".into()),
    };
    let count: u64 = text[..split].parse().map_err(|_| "a number with ms, s, m or h".to_owned())?;
    let millis = count.checked_mul(unit_ms).filter(|millis| *millis <= 86_400_000);
    millis.map(Duration::from_millis).ok_or_else(|| "at most a day".into())
}

fn run_id(text: &str) -> Result<u64, String> {
    if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("twelve hexadecimal digits".into());
    }
    u64::from_str_radix(text, 16).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Args, Settings, duration};
    use clap::Parser;
    use std::time::Duration;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn settings(line: &str) -> Result<Settings, String> {
        let words = std::iter::once("load").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.settings().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "10", "s", "-1s", "1.5s", "25h", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn defaults_are_those_of_a_local_cluster() {
        let settings = settings("--run-id 1a2b3c4d5e6f").expect("valid");
        assert_eq!(settings.targets, ["127.0.0.1:8441", "127.0.0.1:8442", "127.0.0.1:8443"]);
        assert_eq!(settings.admins, ["127.0.0.1:9541", "127.0.0.1:9542", "127.0.0.1:9543"]);
        assert_eq!((settings.duration, settings.warmup), (Some(Duration::from_secs(10)), Duration::from_secs(2)));
        assert_eq!(settings.names.user(123), "load-1a2b3c4d5e6f-000123");
        assert_eq!(settings.names.token(7), "1a2b3c4d-5e6f-4000-8000-000000000007");
        assert_eq!((settings.plan.amount_min, settings.plan.amount_max), (100, 5_000));
        assert_eq!(settings.open_credit.as_deref(), Some("1000000.00"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--target nowhere",
            "--target :80",
            "--currency XXX",
            "--credit 1.234",
            "--amount-max 0",
            "--amount-min 5 --amount-max 4",
            "--user-prefix a\"b",
            "--user-prefix 0123456789012345678901234567890",
            "--path x",
            "--connections 0",
            "--rate 0",
            "--run-id xyz",
            "--repeat-share 91",
            "--ready 127.0.0.1:9441",
        ] {
            assert!(settings(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_bare_server_has_no_books() {
        let settings = settings("--plain --target http://127.0.0.1:8180/ -n 5").expect("valid");
        assert_eq!(
            (settings.targets.as_slice(), settings.style.path.as_str()),
            (&["127.0.0.1:8180".to_owned()][..], "/")
        );
        assert!(settings.open_credit.is_none() && settings.settle_timeout.is_none());
        assert_eq!((settings.duration, settings.warmup, settings.requests), (None, Duration::ZERO, 5));
    }
}
