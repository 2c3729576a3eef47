//! Reading a scenario's file, and what the types cannot say.
//!
//! What must hold: every refusal names the key that is wrong. A scenario that passes can be run by a target that has
//! what it requires.

use super::fault::{Damage, Fault, File, How, Role};
use super::{Capability, Scenario};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::path::Path;

/// Larger than any scenario should be.
const BYTES_MAX: usize = 64 * 1024;
/// A run is watched by somebody.
const DURATION_MS_MAX: u64 = 3_600_000;
/// After the last heal, to see the steady state again.
const TAIL_MS_MIN: u64 = 2_000;

impl Scenario {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Scenario> {
        ensure!(text.len() <= BYTES_MAX, "longer than {BYTES_MAX} bytes");
        let scenario: Scenario = serde_saphyr::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Scenario> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Scenario::parse(&text).with_context(|| format!("{}", path.display()))
    }

    /// What the timeline and the settings need of a target.
    pub fn needed(&self) -> BTreeSet<Capability> {
        let faults = self.timeline.iter().flat_map(|step| step.fault.needs()).copied();
        let settings = (!self.settings.is_empty()).then_some(Capability::Settings);
        faults.chain(settings).collect()
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.title.trim().is_empty(), "title: is empty");
        ensure!(!self.why.trim().is_empty(), "why: is empty");
        ensure!(matches!(self.nodes, 3 | 5), "nodes: {} is neither 3 nor 5", self.nodes);
        ensure!(!self.timeline.is_empty(), "timeline: has no step");
        ensure!(!self.invariants.is_empty(), "invariants: none is asked for");
        self.check_load()?;
        self.check_timeline()?;
        let listed: BTreeSet<Capability> = self.requires.iter().copied().collect();
        let needed = self.needed();
        ensure!(listed == needed, "requires: lists {listed:?}, but {needed:?} are needed");
        Ok(())
    }

    fn check_load(&self) -> Result<()> {
        let load = &self.load;
        let within = |key: &str, value: u64, least: u64, most: u64| {
            ensure!((least..=most).contains(&value), "load.{key}: {value} is not within {least} and {most}");
            Ok(())
        };
        within("rate_per_s", load.rate_per_s, 1, 1_000_000)?;
        within("duration_ms", load.duration_ms, 1_000, DURATION_MS_MAX)?;
        within("connections", load.connections, 1, 20_000)?;
        within("accounts", load.accounts, 1, 1_000_000)?;
        within("hot_percent", load.hot_percent, 0, 100)?;
        within("repeat_percent", load.repeat_percent, 0, 90)?;
        within("timeout_ms", load.timeout_ms, 100, 60_000)?;
        within("deadline_ms", load.deadline_ms, 50, 60_000)
    }

    fn check_timeline(&self) -> Result<()> {
        for (place, step) in self.timeline.iter().enumerate() {
            let name = step.fault.name();
            if step.fault.lasts() && step.for_ms == 0 {
                bail!("timeline[{place}].for_ms: {name} lasts, say how long");
            }
            if !step.fault.lasts() && step.for_ms > 0 {
                bail!("timeline[{place}].for_ms: {name} is over at once");
            }
            let every = step.fault.every_ms();
            ensure!(every == 0 || every >= 100, "timeline[{place}].fault.every_ms: {every} is below 100");
            check_fault(&step.fault, step.on).with_context(|| format!("timeline[{place}]"))?;
            let end = step.at_ms.saturating_add(step.for_ms);
            let latest = self.load.duration_ms.saturating_sub(TAIL_MS_MIN);
            ensure!(
                end <= latest,
                "timeline[{place}]: {name} ends at {end} ms, later than {latest} ms: the load must go on for \
                 {TAIL_MS_MIN} ms to see that all is well again"
            );
        }
        Ok(())
    }
}

/// What the types cannot say of one fault.
fn check_fault(fault: &Fault, on: Role) -> Result<()> {
    let percent = |key: &str, value: u64| {
        ensure!((1..=100).contains(&value), "{key}: {value} is not within 1 and 100");
        Ok(())
    };
    match fault {
        Fault::Loss(share) | Fault::Duplicate(share) => percent("percent", share.percent),
        Fault::Reorder(reorder) => {
            ensure!((1..=10_000).contains(&reorder.late_ms), "late_ms: {} is not within 1 and 10000", reorder.late_ms);
            percent("percent", reorder.percent)
        }
        Fault::AddMember => {
            ensure!(on == Role::All, "on: add-member concerns all");
            Ok(())
        }
        Fault::RemoveMember | Fault::ReplaceMember | Fault::LoseDisk | Fault::Damage(_) => {
            let vote = matches!(fault, Fault::Damage(Damage { file: File::Vote, how: How::TearEnd }));
            ensure!(!vote, "how: of a vote a bit can be flipped");
            ensure!(on.is_one(), "on: {} concerns one node, the leader or a follower", fault.name());
            Ok(())
        }
        Fault::ClockSkew(skew) => {
            ensure!(skew.ahead_ms != 0 || skew.gain_ms_per_s != 0, "ahead_ms and gain_ms_per_s: both are 0");
            let day = 86_400_000;
            ensure!(skew.ahead_ms.unsigned_abs() <= day, "ahead_ms: {} is more than a day", skew.ahead_ms);
            // Nine times too fast, or standing still nearly.
            let gain = skew.gain_ms_per_s;
            ensure!((-900..=9_000).contains(&gain), "gain_ms_per_s: {gain} is not within -900 and 9000");
            Ok(())
        }
        Fault::WebhookStorm(storm) => {
            ensure!(
                (1..=10_000).contains(&storm.rate_per_s),
                "rate_per_s: {} is not within 1 and 10000",
                storm.rate_per_s
            );
            ensure!((1..=256).contains(&storm.clients), "clients: {} is not within 1 and 256", storm.clients);
            Ok(())
        }
        _other => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Scenario;

    const GOOD: &str = "
title: A node dies
why: Machines die.
seed: 1
requires: [processes]
load: { rate_per_s: 100, duration_ms: 10000, connections: 6 }
timeline:
  - { at_ms: 3000, for_ms: 2000, on: leader, fault: kill }
expect: { in_time_ppm_min: 990000 }
invariants: [books]
";

    fn wrong(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        format!("{:#}", Scenario::parse(&text).unwrap_err())
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let scenario = Scenario::parse(GOOD).unwrap();
        assert_eq!((scenario.nodes, scenario.load.deadline_ms), (3, 850));
        assert_eq!(scenario.expect.p99_ms_max, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, named) in [
            ("title: A node dies", "titel: A node dies", "titel"),
            ("connections: 6 }", "connections: 6, rate: 5 }", "rate"),
            ("fault: kill", "fault: kil", "kil"),
            ("on: leader", "on: everybody", "everybody"),
            ("fault: kill", "fault: { delay: { delay: 5 } }", "delay"),
            ("for_ms: 2000, ", "", "timeline[0].for_ms: kill lasts"),
            ("for_ms: 2000", "for_ms: 5001", "timeline[0]: kill ends at 8001 ms"),
            ("[processes]", "[pause]", "requires: lists {Pause}, but {Processes} are needed"),
            ("rate_per_s: 100", "rate_per_s: 0", "load.rate_per_s: 0"),
            ("rate_per_s: 100", "rate_per_s: 1.5", "1.5"),
            ("invariants: [books]", "invariants: []", "invariants"),
            ("fault: kill", "fault: { crash-loop: { every_ms: 5 } }", "every_ms: 5 is below 100"),
            ("seed: 1", "seed: 1\nnodes: 4", "nodes: 4"),
            ("seed: 1", "seed: -1", "seed"),
            ("[processes]", "[members, admin]", "needed"),
            ("fault: kill", "fault: add-member", "timeline[0]: on: add-member concerns all"),
            ("on: leader, fault: kill", "on: majority, fault: remove-member", "on: remove-member concerns one node"),
            ("fault: kill", "fault: { loss: { percent: 101 } }", "timeline[0]: percent: 101"),
            ("fault: kill", "fault: { reorder: { percent: 5, late_ms: 0 } }", "late_ms: 0"),
            ("fault: kill", "fault: { clock-skew: {} }", "both are 0"),
            ("fault: kill", "fault: { clock-skew: { ahead_ms: -86400001 } }", "more than a day"),
            ("fault: kill", "fault: { clock-skew: { gain_ms_per_s: -901 } }", "gain_ms_per_s: -901"),
            ("fault: kill", "fault: { webhook-storm: { rate_per_s: 1, clients: 0 } }", "clients: 0"),
        ] {
            let error = wrong(from, to);
            assert!(error.contains(named), "{to}: {error}");
        }
    }

    #[test]
    fn both_sides_of_the_tail() {
        assert!(Scenario::parse(&GOOD.replace("for_ms: 2000", "for_ms: 5000")).is_ok());
    }
}
