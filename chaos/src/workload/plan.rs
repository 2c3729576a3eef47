//! Stories, as pure functions of the seed and the story's number.
//!
//! What must hold: a token belongs to one account and one amount, except where a story asks for another meaning on
//! purpose, still of the same account; a report follows its own request. What comes of a story when answers differ is
//! for the client; the story says what would be done if all goes well.

use crate::draw::draw;
use crate::history::{AccountStatus, Direction, Report, ReportKind, Task};
use anyhow::ensure;

/// What is asked, and how often which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Weights of the kinds of stories.
    pub mix: Mix,
    /// How many accounts there are.
    pub accounts: u64,
    /// This share of the stories, in percent, is about account 0.
    pub hot_percent: u64,
    /// The first credit of each account, in minor units. Little against the amounts, so that money runs out and
    /// decisions depend on their order.
    pub credit: u64,
    /// The smallest amount in minor units; at least 8, so that it can be divided.
    pub amount_min: u64,
    /// The largest amount in minor units.
    pub amount_max: u64,
    /// This share of the tokens, in percent, is asked at two nodes at the same time.
    pub twin_percent: u64,
    /// This share of the tokens, in percent, is asked again at another node after it was answered.
    pub again_percent: u64,
    /// This share of the reports, in percent, comes late; the same share is repeated.
    pub late_percent: u64,
}

/// Weights; a kind with weight 0 is not played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Authorizations alone.
    pub authorize: u64,
    /// Whole lives: an authorization and what is reported of it.
    pub live: u64,
    /// Balance reads.
    pub read: u64,
    /// Operators' credits, debits, freezes.
    pub change: u64,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            mix: Mix { authorize: 50, live: 30, read: 10, change: 10 },
            accounts: 20,
            hot_percent: 20,
            credit: 100_000,
            amount_min: 100,
            amount_max: 5_000,
            twin_percent: 10,
            again_percent: 20,
            late_percent: 20,
        }
    }
}

/// Names of a run. Texts of at most 36 characters that JSON need not escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What they begin with.
    pub run: String,
}

impl Names {
    /// Of an account.
    pub fn account(&self, number: u64) -> String {
        format!("{}-{number:06}", self.run)
    }

    fn token(&self, story: u64) -> String {
        format!("{}-t{story}", self.run)
    }

    fn transaction(&self, story: u64) -> String {
        format!("{}-x{story}", self.run)
    }

    fn report(&self, story: u64, number: usize) -> String {
        format!("{}-r{story}.{number}", self.run)
    }

    fn key(&self, story: u64) -> String {
        format!("{}-k{story}", self.run)
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask, again at other nodes until there is an answer. The story goes on if the answer is yes.
    Ask(Task),
    /// The same, at two nodes at the same time.
    AskTwice(Task),
    /// Ask again, at any node.
    AskAgain(Task),
    /// Ask again some time later.
    AskLate(Task),
    /// Post, again until it is taken.
    Post(Report),
    /// Post some time later.
    PostLate(Report),
    /// Ask an admin interface, once.
    Operate(Task),
}

/// What draws are for.
#[derive(Clone, Copy)]
enum For {
    Kind = 1,
    Account,
    IsHot,
    Amount,
    Twin,
    Again,
    OtherMeaning,
    Life,
    Order,
    Late,
    Repeat,
    Change,
}

impl Profile {
    /// Whether stories can be made of it.
    pub fn validate(&self) -> anyhow::Result<()> {
        let Mix { authorize, live, read, change } = self.mix;
        ensure!(authorize + live + read + change > 0, "mix: all weights are zero");
        ensure!((1..=1_000_000).contains(&self.accounts), "accounts: 1 to 1000000");
        ensure!((8..=self.amount_max).contains(&self.amount_min), "amount_min: 8 to amount_max");
        ensure!(self.amount_max <= 1_000_000_000_000, "amount_max: at most 10^12");
        ensure!(self.credit <= 1_000_000_000_000_000, "credit: at most 10^15");
        for (name, percent) in [
            ("hot_percent", self.hot_percent),
            ("twin_percent", self.twin_percent),
            ("again_percent", self.again_percent),
            ("late_percent", self.late_percent),
        ] {
            ensure!(percent <= 100, "{name}: 0 to 100");
        }
        Ok(())
    }

    /// Story `number` of the run.
    pub fn story(&self, seed: u64, names: &Names, number: u64) -> Vec<Step> {
        let story = Story { profile: self, seed, names, number };
        let Mix { authorize, live, read, change } = self.mix;
        let drawn = story.draw(For::Kind, 0) % (authorize + live + read + change).max(1);
        if drawn < authorize {
            story.authorize()
        } else if drawn < authorize + live {
            story.live()
        } else if drawn < authorize + live + read {
            vec![Step::Operate(Task::Read { account: story.account() })]
        } else {
            story.change()
        }
    }
}

struct Story<'a> {
    profile: &'a Profile,
    seed: u64,
    names: &'a Names,
    number: u64,
}

impl Story<'_> {
    fn draw(&self, purpose: For, place: u64) -> u64 {
        draw(self.seed, self.number, purpose as u64 + 32 * place)
    }

    fn chance(&self, purpose: For, place: u64, percent: u64) -> bool {
        self.draw(purpose, place) % 100 < percent
    }

    fn account(&self) -> String {
        let hot = self.chance(For::IsHot, 0, self.profile.hot_percent);
        self.names.account(if hot { 0 } else { self.draw(For::Account, 0) % self.profile.accounts })
    }

    fn amount(&self) -> u64 {
        let Profile { amount_min, amount_max, .. } = *self.profile;
        amount_min + self.draw(For::Amount, 0) % (amount_max - amount_min + 1)
    }

    fn ask(&self, amount: u64) -> Task {
        Task::Authorize {
            token: self.names.token(self.number),
            account: self.account(),
            amount,
            transaction: Some(self.names.transaction(self.number)),
        }
    }

    /// A token, and now and then again: at two nodes at once, at another one, later, or with another meaning.
    fn authorize(&self) -> Vec<Step> {
        let ask = self.ask(self.amount());
        let twin = self.chance(For::Twin, 0, self.profile.twin_percent);
        let mut steps = vec![if twin { Step::AskTwice(ask.clone()) } else { Step::Ask(ask.clone()) }];
        if self.chance(For::Again, 0, self.profile.again_percent) {
            let late = self.chance(For::Late, 0, 50);
            steps.push(if late { Step::AskLate(ask) } else { Step::AskAgain(ask) });
        }
        if self.chance(For::OtherMeaning, 0, 2) {
            steps.push(Step::AskAgain(self.ask(self.amount() + 1)));
        }
        steps
    }

    /// A request and its reports. One in eight lives has a report before the request.
    fn live(&self) -> Vec<Step> {
        let amount = self.amount();
        let mut reports = self.reports(amount);
        // A shuffle, by drawn keys.
        let mut order: Vec<u64> = (0..reports.len() as u64).collect();
        order.sort_by_key(|place| self.draw(For::Order, *place));
        reports = order.iter().filter_map(|place| reports.get(*place as usize).cloned()).collect();
        let first = self.chance(For::Order, 99, 12);
        let mut steps = Vec::new();
        for (place, report) in (0..).zip(reports) {
            let late = self.chance(For::Late, place, self.profile.late_percent);
            steps.push(if late { Step::PostLate(report.clone()) } else { Step::Post(report.clone()) });
            if self.chance(For::Repeat, place, self.profile.late_percent) {
                steps.push(Step::PostLate(report));
            }
        }
        steps.insert(usize::from(first && !steps.is_empty()), Step::Ask(self.ask(amount)));
        steps
    }

    /// What becomes of an approval. Never more is paid than was promised.
    fn reports(&self, amount: u64) -> Vec<Report> {
        use ReportKind::{Clearing, FullReversal, LastClearing, Reversal};
        let facts: &[(ReportKind, u64)] = match self.draw(For::Life, 0) % 6 {
            0 => &[(LastClearing, amount)],
            1 => &[(Clearing, amount / 3), (LastClearing, amount / 3)],
            2 => &[(Reversal, amount / 4), (LastClearing, amount - amount / 4)],
            3 => &[(FullReversal, amount)],
            4 => &[(Clearing, amount / 4), (Clearing, amount / 4)],
            _ => &[],
        };
        let report = |(number, (kind, amount)): (usize, &(ReportKind, u64))| Report {
            transaction: self.names.report(self.number, number),
            account: self.account(),
            amount: *amount,
            kind: *kind,
            original: self.names.token(self.number),
            preceding: self.names.transaction(self.number),
        };
        facts.iter().enumerate().map(report).collect()
    }

    /// An operator gives, takes, or freezes and thaws.
    fn change(&self) -> Vec<Step> {
        let account = self.account();
        let movement = |direction| Task::Move {
            account: account.clone(),
            key: self.names.key(self.number),
            direction,
            amount: self.amount(),
        };
        let status = |status| Task::SetStatus { account: account.clone(), status };
        let tasks = match self.draw(For::Change, 0) % 8 {
            0..5 => vec![movement(Direction::Credit)],
            5 | 6 => vec![movement(Direction::Debit)],
            _ => vec![status(AccountStatus::Frozen), status(AccountStatus::Active)],
        };
        tasks.into_iter().map(Step::Operate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Mix, Names, Profile, Step};
    use crate::history::Task;
    use std::collections::HashMap;

    fn names() -> Names {
        Names { run: "c0ffee00".into() }
    }

    #[test]
    fn the_seed_decides() {
        let profile = Profile::default();
        let all = |seed| (0..200).map(|number| profile.story(seed, &names(), number)).collect::<Vec<_>>();
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }

    #[test]
    fn every_kind_of_story_is_played_and_names_stay_short() {
        let profile = Profile::default();
        let mut kinds: HashMap<&str, u32> = HashMap::new();
        for step in (9_990_000..9_995_000).flat_map(|number| profile.story(7, &names(), number)) {
            let (kind, longest) = match &step {
                Step::Ask(Task::Authorize { token, .. }) => ("ask", token.len()),
                Step::AskTwice(Task::Authorize { token, .. }) => ("twice", token.len()),
                Step::AskAgain(Task::Authorize { token, .. }) => ("again", token.len()),
                Step::AskLate(Task::Authorize { token, .. }) => ("ask late", token.len()),
                Step::Post(report) => ("post", report.transaction.len() + 1),
                Step::PostLate(report) => ("late", report.transaction.len() + 1),
                Step::Operate(Task::Read { account }) => ("read", account.len()),
                Step::Operate(Task::Move { key, .. }) => ("move", key.len()),
                Step::Operate(Task::SetStatus { account, .. }) => ("status", account.len()),
                other => panic!("{other:?}"),
            };
            assert!(longest <= 36, "{step:?}");
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(kinds.len(), 9, "{kinds:?}");
        assert!(kinds.values().all(|count| *count > 50), "{kinds:?}");
    }

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        let none = Mix { authorize: 0, live: 0, read: 0, change: 0 };
        for (profile, field) in [
            (Profile { mix: none, ..Profile::default() }, "mix"),
            (Profile { accounts: 0, ..Profile::default() }, "accounts"),
            (Profile { amount_min: 7, ..Profile::default() }, "amount_min"),
            (Profile { twin_percent: 101, ..Profile::default() }, "twin_percent"),
        ] {
            let error = profile.validate().expect_err("refused").to_string();
            assert!(error.starts_with(field), "{error}");
        }
        Profile::default().validate().expect("sound");
    }
}
