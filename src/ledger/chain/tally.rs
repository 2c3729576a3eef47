//! How many chains there are of each kind that an operator should know of, counted along.

use super::Chain;

/// Chains by what is unusual about them; one chain may count in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tallies {
    pub overshoots: u64,
    pub unpromised: u64,
    pub excesses: u64,
    pub late: u64,
    pub differing: u64,
    pub expired: u64,
}

impl Tallies {
    pub(crate) fn add(&mut self, chain: &Chain) {
        for (count, is) in self.counts(chain) {
            *count += u64::from(is);
        }
    }

    pub(crate) fn remove(&mut self, chain: &Chain) {
        for (count, is) in self.counts(chain) {
            *count = count.saturating_sub(u64::from(is));
        }
    }

    fn counts(&mut self, chain: &Chain) -> [(&mut u64, bool); 6] {
        [
            (&mut self.overshoots, chain.target.overshoot),
            (&mut self.unpromised, chain.target.unpromised),
            (&mut self.excesses, chain.target.excess),
            (&mut self.late, chain.late),
            (&mut self.differing, chain.differs),
            (&mut self.expired, chain.expired.is_some()),
        ]
    }
}
