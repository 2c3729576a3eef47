//! What is counted of reports.

use ledger::Effect;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

/// How a post ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Post {
    /// 200: all of its items are committed.
    Committed,
    /// 503: not all of them are known to be.
    Undecided,
    /// 503: there was no room for a dead letter. Alarm.
    ListFull,
    /// 503: too many at a time.
    Busy,
    /// 400.
    Malformed,
    /// 401.
    Unauthorized,
    /// 401: the body is not signed as it must be.
    WrongSignature,
    /// 405.
    MethodNotAllowed,
    /// 408.
    TooSlow,
    /// 413.
    TooLarge,
    /// 415.
    UnsupportedMediaType,
    /// The processor went away before its answer.
    Cut,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Item {
    /// Money moved.
    Applied,
    /// Remembered; no money had to move.
    Noted,
    /// Known already.
    Repeated,
    /// Booked; more has been paid than was promised.
    Overshoot,
    /// Booked; paid without any promise.
    Unpromised,
    /// Booked; paid after the hold had expired here.
    Late,
    /// Booked; more was taken back than there was.
    Excess,
    /// Booked; the same transaction came before with another amount or role.
    Differs,
    /// The other half of something else.
    Companion,
    /// No money of an account.
    Moneyless,
    /// Of a kind that the books do not keep.
    Acknowledged,
    /// A test of the way here.
    Ping,
    /// It could not be booked, and is a dead letter now.
    DeadLetter,
    /// It was a dead letter already.
    DeadLetterKnown,
    /// It may not be in the books: the post is sent again.
    Undecided,
    /// There was no room for its dead letter: the post is sent again.
    ListFull,
}

impl Item {
    /// What the books did with it. What they refused is a dead letter.
    pub(crate) fn of(effect: Effect) -> Item {
        match effect {
            Effect::Applied => Item::Applied,
            Effect::Noted => Item::Noted,
            Effect::Repeated => Item::Repeated,
            Effect::Overshoot => Item::Overshoot,
            Effect::Unpromised => Item::Unpromised,
            Effect::Late => Item::Late,
            Effect::Excess => Item::Excess,
            Effect::Differs => Item::Differs,
            Effect::AccountUnknown
            | Effect::CurrencyNotHeld
            | Effect::ChainFull
            | Effect::OutOfRange
            | Effect::Unnamed => Item::DeadLetter,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PostLabels {
    outcome: Post,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ItemLabels {
    outcome: Item,
}

/// Seconds, up to the default deadline.
const SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 5.0];

/// What is counted of reports.
#[derive(Clone, Debug)]
pub struct Metrics {
    posts: Family<PostLabels, Counter>,
    items: Family<ItemLabels, Counter>,
    latency: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { posts: Family::default(), items: Family::default(), latency: Histogram::new(SECONDS) }
    }
}

impl Metrics {
    /// Makes them known to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("webhook_posts", "Posts of reports by how they ended", self.posts.clone());
        registry.register("webhook_items", "Reports by what became of them", self.items.clone());
        registry.register("webhook_post_seconds", "From a post's head to its answer", self.latency.clone());
    }

    /// How many posts ended so.
    pub fn posts(&self, outcome: Post) -> u64 {
        self.posts.get_or_create(&PostLabels { outcome }).get()
    }

    /// Of how many items this became.
    pub fn items(&self, outcome: Item) -> u64 {
        self.items.get_or_create(&ItemLabels { outcome }).get()
    }

    pub(crate) fn item(&self, outcome: Item) {
        self.items.get_or_create(&ItemLabels { outcome }).inc();
    }

    /// A post, counted when it is dropped: as cut, unless it is said how it ended.
    pub(crate) fn post(&self) -> Running<'_> {
        Running { metrics: self, started: Instant::now(), outcome: Post::Cut }
    }
}

pub(crate) struct Running<'a> {
    metrics: &'a Metrics,
    started: Instant,
    outcome: Post,
}

impl Running<'_> {
    /// When the post's head had been read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn ended(mut self, outcome: Post) {
        self.outcome = outcome;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.posts.get_or_create(&PostLabels { outcome: self.outcome }).inc();
        self.metrics.latency.observe(self.started.elapsed().as_secs_f64());
    }
}
