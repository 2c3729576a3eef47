//! The product's alarms, as its metrics name them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An alarm of a node; docs/runbooks.md has a page for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Alarm {
    /// It is out of contact with a quorum.
    NoQuorum,
    /// The nodes' books differ.
    Diverged,
    /// A file is not what was written.
    Corrupt,
    /// A file system is nearly full.
    Nospace,
    /// The books come from a backup that nobody has looked through.
    Reconcile,
    /// Its clock is off.
    ClockSkew,
    /// Most of what it may approve alone is spent.
    StandinBudget,
    /// It remembers nearly as many decisions as it is meant to.
    DedupNearFull,
    /// A certificate ends soon.
    CertExpiry,
}

const ALL: [(Alarm, &str); 9] = [
    (Alarm::NoQuorum, "NO_QUORUM"),
    (Alarm::Diverged, "DIVERGED"),
    (Alarm::Corrupt, "CORRUPT"),
    (Alarm::Nospace, "NOSPACE"),
    (Alarm::Reconcile, "RECONCILE"),
    (Alarm::ClockSkew, "CLOCK_SKEW"),
    (Alarm::StandinBudget, "STANDIN_BUDGET"),
    (Alarm::DedupNearFull, "DEDUP_NEAR_FULL"),
    (Alarm::CertExpiry, "CERT_EXPIRY"),
];

impl Alarm {
    /// As the product writes it.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(alarm, _)| *alarm == self).map_or("", |(_, name)| name)
    }
}

/// Which alarms a node raises: a bit for each, in the order in which they are declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raised(u16);

impl Raised {
    /// Reads what a node's metrics say.
    pub fn read(metrics: &str) -> Raised {
        let raised = |line: &str| {
            let (name, value) = line.strip_prefix("holdfast_alarm{alarm=\"")?.split_once("\"} ")?;
            let place = ALL.iter().position(|(_, known)| *known == name)?;
            (value.trim() == "1").then_some(1 << place)
        };
        Raised(metrics.lines().filter_map(raised).fold(0, |all, one: u16| all | one))
    }

    /// Whether it raises this one.
    pub fn has(self, alarm: Alarm) -> bool {
        ALL.iter().position(|(known, _)| *known == alarm).is_some_and(|place| self.0 & (1 << place) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raised_is_read() {
        let metrics = "# HELP holdfast_alarm 1 while it is raised.\nholdfast_alarm{alarm=\"NO_QUORUM\"} 0\n\
                       holdfast_alarm{alarm=\"CLOCK_SKEW\"} 1\nholdfast_alarm{alarm=\"WHATEVER\"} 1\n";
        let raised = Raised::read(metrics);
        assert!(raised.has(Alarm::ClockSkew) && !raised.has(Alarm::NoQuorum) && !raised.has(Alarm::CertExpiry));
        assert_eq!(Raised::read(""), Raised::default());
    }

    #[test]
    fn files_name_them_as_the_product_does() {
        for (alarm, name) in ALL {
            assert_eq!(serde_json::to_value(alarm).expect("a name"), name);
            assert_eq!(alarm.name(), name);
        }
    }
}
