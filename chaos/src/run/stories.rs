//! The invariant `history`: beside the load, clients play whole stories; what they asked and heard is recorded, the
//! books are read afterwards, and every checker judges.
//!
//! What must hold: a history that could not be recorded to its end, and a checker that could not look, are never a
//! pass. Not here: `in_time`, which allows no exception; a scenario says in numbers what it expects while it breaks
//! things.

use super::judge::{Judgement, Outcome};
use crate::check::{self, Verdict};
use crate::history::StandInLimits;
use crate::money;
use crate::scenario::Scenario;
use crate::sender::Login;
use crate::stories::{Order, Played, Stories};
use crate::workload::{Profile, Summary};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Few beside the load: each request is kept and judged.
const RATE_PER_S: u64 = 30;
const CLIENTS: u64 = 6;
/// About ten requests each: while nobody decides, an account's possible orders double with every request.
const ACCOUNTS: u64 = 60;

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

/// Begins those of a scenario.
pub fn start(runtime: &Runtime, scenario: &Scenario, seed: u64, sites: Sites<'_>) -> Result<Stories> {
    let order = Order {
        name: "stories".to_owned(),
        profile: Profile { accounts: ACCOUNTS, hot_percent: 0, ..Profile::default() },
        rate_per_s: RATE_PER_S,
        clients: CLIENTS,
        duration: Duration::from_millis(scenario.load.duration_ms),
        deadline: Duration::from_millis(scenario.load.deadline_ms),
        seed,
        limits: limits(scenario)?,
        doors: sites.doors,
        admins: sites.admins,
        login: sites.login,
        out: sites.out,
    };
    Stories::start(runtime, order)
}

/// What came of them.
pub fn judgements(played: &Played) -> Vec<Judgement> {
    let judged = played.findings.iter().filter(|finding| finding.checker != "in_time");
    let mut judgements: Vec<Judgement> = judged.map(judgement).collect();
    let Summary { stories, requests, unknown, reports_left } = played.summary;
    judgements.push(Judgement {
        name: "history".to_owned(),
        wanted: "recorded to its end".to_owned(),
        got: format!("{stories} stories, {requests} requests, {unknown} unheard, {reports_left} reports left"),
        outcome: if played.history.complete && stories > 0 { Outcome::Pass } else { Outcome::Unknown },
    });
    judgements
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
pub fn limits(scenario: &Scenario) -> Result<Option<StandInLimits>> {
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
