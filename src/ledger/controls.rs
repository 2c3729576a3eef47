//! Spend controls and fraud signals: what a programme allows, as replicated rules.
//!
//! **What lives here.** The document ([`SetControls`]) that an operator sets as a whole, and [`Controls`], what the
//! books keep of it. When a rule matches is `condition`; windows and calendars are `window`; what accounts and cards
//! have used is `usage`; looking at a request is `judge`; what a reversal gives back is `giveback`.
//!
//! **What must hold.** A decision looks at the rules, and at nothing but the request and the books. Deny wins: a rule
//! can only refuse, so the order of rules means nothing; what is told is the first reason by the order of
//! [`crate::DeclineReason`]. A rule in shadow is looked at and counted like any other, and decides nothing. What was
//! not said about a request matches no condition, so an exemption never follows from silence. A limit's counter belongs
//! to the rule's name, window and subject: whoever edits the limit, its conditions or its mode keeps what was counted.
//!
//! **Versions.** A document names the version that it was based on and is set if that is still the current one. The
//! same document again changes nothing, so that a retry is harmless.
//!
//! **What is not here.** The file that operators write, and time zone names: the node that is asked turns both into
//! this.

mod condition;
mod giveback;
mod judge;
mod set;
mod usage;
mod view;
mod window;

pub use condition::Condition;
pub(crate) use judge::{Judged, Look};
pub use set::ControlsError;
pub(crate) use usage::{Bucket, Subjects, Usage, of_account};
pub use view::{JudgedView, LimitView, RuleName};
pub use window::{Window, Zone};

use crate::parts::{Key, Keyed};
use crate::{Amount, Program, Seconds, Timestamp, Token};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// All that a programme allows, set at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetControls {
    /// The programme.
    pub program: Program,
    /// The version that this one replaces: 0 if there is none.
    pub based_on: u64,
    /// What they are.
    pub document: Document,
}

/// What an operator writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// What is not a rule.
    pub settings: Settings,
    /// The calendar of daily, weekly and monthly windows.
    pub zone: Zone,
    /// The rules; their order means nothing.
    pub rules: Vec<Rule>,
}

/// What a programme can set besides rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many days a hold stands where nothing else is said.
    pub hold_days: u16,
    /// The same for lodging, vehicle rental, cruises and pre-authorizations.
    pub hold_days_long: u16,
    /// Whether a request of a card that the books do not know is refused.
    pub unknown_cards: UnknownCards,
    /// Whether a request that allows it is approved with what is there when there is not enough.
    pub partial_approval: PartialApproval,
    /// How old an approved hold that no report has confirmed is when it is an orphan.
    pub unconfirmed_after: Seconds,
    /// For how many days what is over is remembered; 0 is for ever.
    pub remember_days: u16,
}

/// What becomes of a request of a card that the books do not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownCards {
    /// It is decided like any other.
    #[default]
    Accept,
    /// It is declined.
    Refuse,
}

/// What becomes of a request that asks for more than there is, and says that a part of it will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialApproval {
    /// It is declined.
    #[default]
    Never,
    /// It is approved with what there is.
    Available,
}

impl Settings {
    /// What is so while nobody has set anything, and what a card network lets a hold stand.
    pub const DEFAULT: Settings = Settings {
        hold_days: 7,
        hold_days_long: 31,
        unknown_cards: UnknownCards::Accept,
        partial_approval: PartialApproval::Never,
        unconfirmed_after: Seconds(600),
        remember_days: 0,
    };
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::DEFAULT
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// By which operators know it; no two rules of a document have the same.
    pub name: Token,
    /// Whether it decides.
    pub mode: Mode,
    /// What it is for.
    pub purpose: Purpose,
    /// It looks at requests that match all of these.
    pub when: Vec<Condition>,
    /// And not, if there are any, at those that match all of these.
    pub unless: Vec<Condition>,
    /// What it refuses of those that it looks at.
    pub then: Then,
}

/// Whether a rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It is looked at and recorded, and never decides.
    Shadow,
}

/// What a rule is for. A fraud rule's decline is told as suspected fraud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To control what is spent.
    #[default]
    Spend,
    /// To stop fraud.
    Fraud,
}

/// What a rule refuses of the requests that it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// All of them.
    Deny,
    /// Those above this amount, in its currency.
    Most(Amount),
    /// Those that would exceed a limit.
    Limit(Limit),
    /// Those of a card that was in another country so shortly before, both times with the card there.
    Travel(Seconds),
}

/// A limit over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose requests are counted.
    pub per: Per,
    /// Over which time.
    pub window: Window,
    /// Which requests are counted.
    pub of: Counted,
    /// The most money. The rule then looks at requests in this currency only.
    pub amount: Option<Amount>,
    /// The most requests. Of declines: with so many, all that follows is refused.
    pub count: Option<u32>,
}

/// Whose requests a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// The account's.
    Account,
    /// The card's; requests that name no card are not looked at.
    Card,
    /// The card product's; requests that name none are not looked at.
    Product,
    /// The whole programme's.
    Programme,
}

/// Which requests a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// Those approved, with their money.
    #[default]
    Approvals,
    /// Those declined by a rule or for want of money, but not by a limit of declines.
    Declines,
}

/// What the books keep of a programme's controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controls {
    /// Whose.
    pub program: Program,
    /// Counts up from 1.
    pub version: u64,
    /// Log time at which they were set.
    pub at: Timestamp,
    /// What was set.
    pub document: Document,
    /// The number of each rule, in the document's order. A name keeps its number.
    pub numbers: Vec<u32>,
    /// The last number given.
    pub last_number: u32,
}

/// What a rule has done since its name came, as one version of the controls followed another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that it looked at.
    pub looked: u64,
    /// Those that it refuses, or would.
    pub fired: u64,
    /// Those that were declined for its reason.
    pub decided: u64,
    /// Those that were approved although it fired: it is in shadow, or a node had approved alone.
    pub spared: u64,
}

/// A programme's controls and what they have done.
#[derive(Clone, Debug)]
pub(crate) struct Programme {
    pub controls: Arc<Controls>,
    /// One for each rule, in the document's order.
    pub tallies: Arc<Vec<Tally>>,
}

impl Programme {
    pub(crate) fn key_of(program: &Program) -> Key<'_> {
        Key { program: program.as_bytes(), name: b"" }
    }
}

impl Keyed for Programme {
    fn key(&self) -> Key<'_> {
        Programme::key_of(&self.controls.program)
    }
}

impl Controls {
    /// A rule by its number, if it is still there.
    pub fn rule(&self, number: u32) -> Option<&Rule> {
        let at = self.numbers.iter().position(|known| *known == number)?;
        self.document.rules.get(at)
    }
}
