//! `[standin]`: its bounds, and what it means to the desk.

use super::validate::{at_least, require, within};
use super::values::Money;
use super::{Config, ConfigError, StandInPolicy, StandInRule};
use crate::controls::{channel, mcc};
use ledger::{Channel, Program};
use standin::Settings;
use standin::breaker::Rules;
use standin::choice::{Rule, Say};
use standin::facts::Refusals;
use standin::limits::{Limits, Stated};
use standin::policy::{Approve, Policy};
use std::collections::BTreeSet;
use std::time::Duration;

/// As many as nobody writes by hand; each request that is answered alone looks at them.
const RULES_MAX: usize = 64;

/// Whether a node's id was given by the cluster after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It was.
    Yes,
    /// It stands in the configuration.
    No,
}

impl Config {
    pub(super) fn validate_stand_in(&self) -> Result<(), ConfigError> {
        let standin = &self.standin;
        within("standin.open_after_ms", standin.open_after_ms, 100..=60_000)?;
        // A lease, the longest wait before an election, and a round of votes.
        let fail_over = 2 * self.raft.election_max_ms + 200;
        let relation = "2 x raft.election_max_ms + 200";
        at_least("standin.open_after_ms", standin.open_after_ms, relation, fail_over)?;
        let share = standin.undecided_percent == 0 || (50..=100).contains(&standin.undecided_percent);
        require("standin.undecided_percent", share, "must be 0 or 50 to 100: a fail-over fills less than half")?;
        within("standin.window_s", standin.window_s, 60..=31_536_000)?;
        within("standin.available_percent", u64::from(standin.available_percent), 1..=100)?;
        within("standin.max_state_age_ms", standin.max_state_age_ms, 1000..=86_400_000)?;
        let nodes: BTreeSet<u64> = standin.nodes.iter().copied().collect();
        require("standin.nodes", nodes.len() == standin.nodes.len(), "has an id twice")?;
        require("standin.nodes", !nodes.contains(&0) && nodes.len() <= 64, "must be at most 64 ids from 1 on")?;
        self.stand_in_policy().map(drop)
    }

    /// How the desk behaves.
    pub fn stand_in_settings(&self) -> Settings {
        let breaker = Rules {
            open_after: Duration::from_millis(self.standin.open_after_ms),
            undecided_percent: self.standin.undecided_percent,
            ..Rules::default()
        };
        Settings { breaker, ..Settings::default() }
    }

    /// The ids that share the limits. An id is never given twice, so at most so many nodes ever use a part.
    fn sharing(&self) -> Vec<u64> {
        if self.standin.nodes.is_empty() {
            return self.cluster.members.iter().map(|member| member.id).collect();
        }
        self.standin.nodes.clone()
    }

    /// What the desk of this very node says alone: nothing but no where it has no part of the limits. A node that
    /// joined has one only if it is named: `cluster.members` may have been made longer on the nodes that came last,
    /// while the others still use the larger parts.
    pub fn stand_in_policy_of(&self, node: u64, joined: Joined) -> Result<Policy, ConfigError> {
        let named = match joined {
            Joined::Yes => self.standin.nodes.contains(&node),
            Joined::No => self.sharing().contains(&node),
        };
        if named { self.stand_in_policy() } else { Ok(Policy::Decline) }
    }

    /// What the desk of a node with a part of the limits says alone.
    fn stand_in_policy(&self) -> Result<Policy, ConfigError> {
        let standin = &self.standin;
        let rules = self.stand_in_rules()?;
        let otherwise = say(standin.policy);
        if otherwise == Say::Decline && rules.iter().all(|rule| rule.say == Say::Decline) {
            return Ok(Policy::Decline);
        }
        let needed = |key: &str, money: Money| {
            money.0.ok_or_else(|| ConfigError::field(key, "is required where standin.policy or a rule approves"))
        };
        let sharing = u32::try_from(self.sharing().len()).unwrap_or(u32::MAX);
        let why = "or standin.nodes are required where stand-in approves: limits are shared";
        require("cluster.members", sharing > 0, why)?;
        let stated = Stated {
            nodes: sharing,
            per_transaction: needed("standin.per_transaction", standin.per_transaction)?,
            per_account: needed("standin.per_account", standin.per_account)?,
            per_account_count: standin.per_account_count,
            per_node: needed("standin.per_node", standin.per_node)?,
            total: standin.total.0,
            window: Duration::from_secs(standin.window_s),
        };
        let limits = Limits::new(&stated)
            .map_err(|error| ConfigError::field(format!("standin.{}", error.key), error.problem))?;
        let (mccs, kinds) = (standin.refuse_mccs.0.clone(), standin.refuse.0.clone());
        Ok(Policy::Approve(Approve {
            limits,
            available_percent: standin.available_percent,
            state_age_max: Duration::from_millis(standin.max_state_age_ms),
            refusals: Refusals { mccs, kinds },
            rules,
            otherwise,
        }))
    }

    fn stand_in_rules(&self) -> Result<Vec<Rule>, ConfigError> {
        let rules = &self.standin.rules;
        require("standin.rules", rules.len() <= RULES_MAX, "are more than 64")?;
        rules.iter().enumerate().map(|(place, rule)| self.stand_in_rule(place, rule)).collect()
    }

    fn stand_in_rule(&self, place: usize, rule: &StandInRule) -> Result<Rule, ConfigError> {
        let field = |key: &str| format!("standin.rules[{place}].{key}");
        let wrong = |key: &str| {
            let field = field(key);
            move |problem: String| ConfigError::field(field, problem)
        };
        let ours = rule.programs.iter().all(|name| self.programs.iter().any(|program| program.name == *name));
        require(&field("programs"), ours, "has a name that is none of programs[].name")?;
        let program = |name: &String| Program::new(name).map_err(|error| wrong("programs")(error.to_string()));
        let programs = rule.programs.iter().map(program).collect::<Result<_, _>>()?;
        let mccs = rule.mccs.iter().map(|text| mcc(text)).collect::<Result<Vec<_>, _>>().map_err(wrong("mccs"))?;
        let channels = rule.channels.iter().map(|text| channel(text));
        let channels: BTreeSet<Channel> = channels.collect::<Result<_, _>>().map_err(wrong("channels"))?;
        require(&field("channels"), !channels.contains(&Channel::Unknown), "cannot ask for what is not known")?;
        let up_to = rule.up_to.0;
        let limit = self.standin.per_transaction.0;
        let same = up_to.zip(limit).is_none_or(|(up_to, limit)| up_to.currency() == limit.currency());
        require(&field("up_to"), same, "is of another currency than standin.per_transaction")?;
        let policy = rule.policy.ok_or_else(|| wrong("policy")("is missing: approve or decline".to_owned()))?;
        Ok(Rule { programs, mccs: mccs.concat(), channels, up_to, say: say(policy) })
    }
}

fn say(policy: StandInPolicy) -> Say {
    match policy {
        StandInPolicy::Decline => Say::Decline,
        StandInPolicy::Approve => Say::Approve,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const BASE: &str = r#"
        node = { id = 1, data_dir = "/d" }
        cluster.members = [{ id = 1, peer = "h:1", admin = "h:2" }, { id = 2, peer = "h:3", admin = "h:4" }]
        programs = [{ name = "default", user = "u", passwords = ["twelve-letters"] }]
    "#;
    const LIMITS: &str = r#"
        standin.policy = "approve"
        standin.per_transaction = "50.00 USD"
        standin.per_account = "100.00 USD"
        standin.per_account_count = 4
        standin.per_node = "1000.00 USD"
    "#;

    fn load(text: &str) -> Result<Config, ConfigError> {
        Config::from_text(text, Path::new("test.toml"), std::iter::empty())
    }

    fn wrong(more: &str) -> String {
        load(&format!("{BASE}{more}")).unwrap_err().to_string()
    }

    #[test]
    fn the_default_is_to_decline() {
        let config = load(BASE).unwrap();
        assert_eq!(config.stand_in_policy_of(1, Joined::No).unwrap(), Policy::Decline);
        assert_eq!(config.stand_in_settings(), Settings::default());
    }

    #[test]
    fn approving_without_limits_is_refused() {
        assert!(load(&format!("{BASE}{LIMITS}")).is_ok());
        for key in ["per_transaction", "per_account", "per_account_count", "per_node"] {
            let less: Vec<&str> = LIMITS.lines().filter(|line| !line.contains(&format!("{key} ="))).collect();
            let error = wrong(&less.join("\n"));
            assert!(error.starts_with(&format!("standin.{key}:")), "{error}");
        }
        let error = wrong(&LIMITS.replace("100.00 USD", "0.01 USD"));
        assert!(error.starts_with("standin.per_account: leaves a node nothing"), "{error}");
        let error = wrong(&LIMITS.replace("1000.00 USD", "1000.00 EUR"));
        assert!(error.starts_with("standin.per_node: is of another currency"), "{error}");
    }

    /// What one node may approve alone in a window, in cents.
    fn part(config: &Config, node: u64, joined: Joined) -> u64 {
        match config.stand_in_policy_of(node, joined).unwrap() {
            Policy::Approve(approve) => approve.limits.account_most_minor(),
            Policy::Decline => 0,
        }
    }

    #[test]
    fn whoever_joins_has_no_part_and_the_parts_never_sum_to_more_than_the_limit() {
        let before = load(&format!("{BASE}{LIMITS}")).unwrap();
        let stated = 10_000;
        let sum = |config: &Config, joined: std::ops::Range<u64>| {
            let first: u64 = (1..=2).map(|node| part(config, node, Joined::No)).sum();
            first + joined.map(|node| part(config, node, Joined::Yes)).sum::<u64>()
        };
        assert_eq!(part(&before, 1, Joined::No), 5_000);
        assert_eq!(sum(&before, 3..9), stated, "however many come, and whoever goes");
        // Longer static lists on the nodes that came last give them nothing.
        let member = "{ id = 2, peer = \"h:3\", admin = \"h:4\" }";
        let longer = format!("{member}, {{ id = 3, peer = \"h:5\", admin = \"h:6\" }}");
        let longer = load(&format!("{BASE}{LIMITS}").replace(member, &longer)).unwrap();
        assert_eq!(part(&longer, 3, Joined::Yes), 0);
        // Named on all, each has its part: of more, so that it is less.
        let after = load(&format!("{BASE}{LIMITS}standin.nodes = [1, 2, 3, 4]")).unwrap();
        assert_eq!((part(&after, 1, Joined::No), part(&after, 4, Joined::Yes)), (2_500, 2_500));
        assert_eq!(sum(&after, 3..9), stated);
        assert!(wrong("standin.nodes = [1, 1]").starts_with("standin.nodes: has an id twice"));
        assert!(wrong("standin.nodes = [0]").starts_with("standin.nodes: must be"));
    }

    #[test]
    fn rules_are_read_and_need_limits_too() {
        const RULES: &str = r#"
            [[standin.rules]]
            channels = ["atm"]
            policy = "decline"
            [[standin.rules]]
            programs = ["default"]
            mccs = ["5400-5499", "fuel"]
            up_to = "25.00 USD"
            policy = "approve"
        "#;
        let limits = LIMITS.replace("policy = \"approve\"", "policy = \"decline\"");
        let config = load(&format!("{BASE}{limits}{RULES}")).unwrap();
        let Policy::Approve(approve) = config.stand_in_policy().unwrap() else { panic!("a rule approves") };
        assert_eq!((approve.otherwise, approve.rules.len()), (Say::Decline, 2));
        let second = &approve.rules[1];
        assert_eq!((second.say, second.mccs[0], second.up_to.unwrap().minor()), (Say::Approve, (5400, 5499), 2_500));
        let shown = config.render_masked().unwrap();
        assert_eq!(shown.matches("[[standin.rules]]").count(), 2, "{shown}");
        assert!(wrong(RULES).starts_with("standin.per_transaction: is required"), "{}", wrong(RULES));
        for (from, to, error) in [
            ("\"default\"", "\"other\"", "standin.rules[1].programs: has a name that is none of"),
            ("\"fuel\"", "\"cars\"", "standin.rules[1].mccs: \"cars\" is neither"),
            ("\"atm\"", "\"drone\"", "standin.rules[0].channels: \"drone\" is none of"),
            ("\"atm\"", "\"unknown\"", "standin.rules[0].channels: cannot ask for what is not known"),
            ("25.00 USD", "25.00 EUR", "standin.rules[1].up_to: is of another currency"),
            ("policy = \"decline\"", "", "standin.rules[0].policy: is missing"),
        ] {
            let error_is = wrong(&format!("{limits}{}", RULES.replace(from, to)));
            assert!(error_is.starts_with(error), "{error_is}");
        }
    }

    #[test]
    fn it_never_opens_inside_a_fail_over() {
        let error = wrong("standin.open_after_ms = 799");
        assert!(error.contains("799 is below 2 x raft.election_max_ms + 200 = 800"), "{error}");
        assert!(load(&format!("{BASE}standin.open_after_ms = 800")).is_ok());
        assert!(wrong("standin.undecided_percent = 49").starts_with("standin.undecided_percent"));
    }

    #[test]
    fn values_are_read_and_written_back() {
        let more = "standin.refuse = \"cash, cross-border\"\nstandin.refuse_mccs = \"7995,0742\"\n";
        let config = load(&format!("{BASE}{LIMITS}{more}")).unwrap();
        let shown = config.render_masked().unwrap();
        for part in ["per_transaction = \"50.00 USD\"", "\"cash,cross-border\"", "\"0742,7995\"", "total = \"\""] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        for bad in ["per_node = \"50\"", "per_node = \"5.001 USD\"", "refuse = \"cars\"", "refuse_mccs = \"12\""] {
            assert!(load(&format!("{BASE}standin.{bad}")).is_err(), "{bad}");
        }
    }
}
