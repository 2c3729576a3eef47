//! The invariant `history`: beside the load, clients play whole stories; what they asked and heard is recorded, the
//! books are read afterwards, and every checker judges.
//!
//! What must hold: a history that could not be recorded to its end, and a checker that could not look, are never a
//! pass. Not here: `in_time`, which allows no exception; a scenario says in numbers what it expects while it breaks
//! things.

use super::judge::{Judgement, Outcome};
use crate::admin::Admin;
use crate::books;
use crate::check::{self, Verdict};
use crate::history::{History, Line, Recorder, StandInLimits, Writer, append};
use crate::money;
use crate::scenario::Scenario;
use crate::sender::Login;
use crate::workload::{self, Profile, Settings, Summary};
use anyhow::{Context, Result, anyhow};
use ledger::Currency;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Few beside the load: each request is kept and judged.
const RATE_PER_S: u64 = 30;
const CLIENTS: u64 = 6;
/// About ten requests each: while nobody decides, an account's possible orders double with every request.
const ACCOUNTS: u64 = 60;
/// As long as a processor waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Until nodes have settled what they owe.
const SETTLE_MAX: Duration = Duration::from_secs(45);
/// After the load: stories under way, and reports that are still to come.
const END_MAX: Duration = Duration::from_secs(60);

/// Stories under way.
pub struct Stories {
    settings: Settings,
    writer: Writer<Line>,
    recorder: Recorder,
    stop: Arc<AtomicBool>,
    play: JoinHandle<Result<Summary>>,
    watch: JoinHandle<Result<()>>,
    path: PathBuf,
}

impl Stories {
    /// Opens the accounts and begins.
    pub fn start(runtime: &Runtime, scenario: &Scenario, seed: u64, sites: Sites<'_>) -> Result<Stories> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settings = Settings {
            seed,
            // A run of a cluster has a name of its own.
            run: format!("{:x}", since.as_millis()),
            nodes: sites.doors.to_vec(),
            admins: sites.admins.to_vec(),
            authorization: sites.login.header(),
            currency: Currency::from_code("USD").context("USD is a currency")?,
            profile: Profile { accounts: ACCOUNTS, hot_percent: 0, ..Profile::default() },
            clients: CLIENTS,
            rate: Some(RATE_PER_S),
            duration: Some(Duration::from_millis(scenario.load.duration_ms)),
            stories: None,
            patience: PATIENCE,
            deadline: Duration::from_millis(scenario.load.deadline_ms),
        };
        let path = sites.out.join("stories.jsonl");
        let writer = settings.history(&path, limits(scenario)?)?;
        let recorder = writer.recorder();
        runtime.block_on(workload::open(&settings, &recorder)).context("open the stories' accounts")?;
        let stop = Arc::new(AtomicBool::new(false));
        let play = {
            let (settings, recorder, stop) = (settings.clone(), recorder.clone(), stop.clone());
            runtime.spawn(async move { workload::run(&settings, &recorder, &stop).await })
        };
        let watch = {
            let (admins, recorder, stop) = (settings.admins.clone(), recorder.clone(), stop.clone());
            runtime.spawn(async move { workload::watch(&admins, &recorder, &stop).await })
        };
        Ok(Stories { settings, writer, recorder, stop, play, watch, path })
    }

    /// To record faults with.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Waits for the last story, reads the books, and lets every checker judge.
    pub fn finish(self, runtime: &Runtime) -> Result<Vec<Judgement>> {
        let Stories { settings, writer, recorder, stop, play, watch, path } = self;
        let played = runtime.block_on(async { tokio::time::timeout(END_MAX, play).await });
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(watch).context("the watch of terms failed")??;
        let summary = played.map_err(|_| anyhow!("the stories did not end"))?.context("the stories failed")??;
        drop(recorder);
        writer.finish()?;
        let mut history = History::read(&path)?;
        let admin = {
            let _inside = runtime.enter();
            Admin::new(&settings.admins)?
        };
        history.books = runtime.block_on(books::collect(&admin, &history, SETTLE_MAX)).context("read the books")?;
        append(&path, &history.books)?;
        let findings = check::all(&history);
        let mut judgements: Vec<Judgement> =
            findings.iter().filter(|finding| finding.checker != "in_time").map(judgement).collect();
        let Summary { stories, requests, unknown, reports_left } = summary;
        judgements.push(Judgement {
            name: "history".to_owned(),
            wanted: "recorded to its end".to_owned(),
            got: format!("{stories} stories, {requests} requests, {unknown} unheard, {reports_left} reports left"),
            outcome: if history.complete && stories > 0 { Outcome::Pass } else { Outcome::Unknown },
        });
        Ok(judgements)
    }
}

/// Where stories are played, and where their history goes.
pub struct Sites<'a> {
    /// The nodes' doors.
    pub doors: &'a [String],
    /// The nodes' admin interfaces.
    pub admins: &'a [String],
    /// Who asks.
    pub login: &'a Login,
    /// A directory.
    pub out: &'a Path,
}

fn judgement(finding: &check::Finding) -> Judgement {
    let outcome = match finding.verdict {
        Verdict::Held => Outcome::Pass,
        Verdict::Inconclusive => Outcome::Unknown,
        Verdict::Violated => Outcome::Violated,
    };
    let looked = format!("{} looked at", finding.looked);
    let got = if finding.why.is_empty() { looked } else { format!("{looked}: {}", finding.why.join("; ")) };
    Judgement { name: format!("history/{}", finding.checker), wanted: "held".to_owned(), got, outcome }
}

/// The limits of stand-in that the scenario sets.
fn limits(scenario: &Scenario) -> Result<Option<StandInLimits>> {
    let setting = |key: &str| scenario.settings.get(&format!("standin.{key}"));
    if setting("policy").is_none_or(|policy| policy != "approve") {
        return Ok(None);
    }
    let amount = |key: &str| {
        let text = setting(key).with_context(|| format!("settings: standin.{key} is missing"))?;
        let number = text.strip_suffix(" USD").with_context(|| format!("settings: standin.{key} is not in USD"))?;
        let minor = money::parse(number, 2).with_context(|| format!("settings: standin.{key} is no amount"))?;
        u64::try_from(minor).with_context(|| format!("settings: standin.{key} is negative"))
    };
    let number = |key: &str, default: u64| setting(key).map_or(Ok(default), |text| text.parse());
    Ok(Some(StandInLimits {
        nodes: scenario.nodes,
        per_transaction: amount("per_transaction")?,
        per_account: amount("per_account")?,
        per_account_count: number("per_account_count", 0)?,
        per_node: amount("per_node")?,
        total: setting("total").map(|_| amount("total")).transpose()?,
        window_s: number("window_s", 86_400)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::catalogue::find;

    #[test]
    fn limits_are_those_of_the_settings() {
        let scenario = find("stand-in-approves").unwrap().scenario;
        let limits = limits(&scenario).unwrap().unwrap();
        assert_eq!((limits.nodes, limits.per_transaction, limits.per_account), (3, 5_000, 30_000));
        assert_eq!(super::limits(&find("kill-leader").unwrap().scenario).unwrap(), None);
        let mut wrong = scenario;
        wrong.settings.insert("standin.per_node".to_owned(), "5.00 EUR".to_owned());
        assert!(super::limits(&wrong).unwrap_err().to_string().contains("standin.per_node is not in USD"));
    }
}
