//! Mistakes that can be switched on in tests only, to see that the tests find them.

extern crate std;

use super::Link;
use crate::event::Role;
use core::cell::Cell;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A reversal that comes again is taken off again.
    DoubleRelease,
    /// A smaller clearing ends the hold.
    LostRemainder,
    /// Two facts of one role in a chain are taken for one.
    WrongKey,
}

std::thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Takes the mistake back when it goes.
pub(crate) struct Planted;

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}

/// Switches a mistake on, for this thread.
pub(crate) fn plant(bug: Bug) -> Planted {
    PLANTED.set(Some(bug));
    Planted
}

pub(crate) fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// What the mistakes do to two facts that are to be told apart or joined.
pub(super) fn confuses(known: &Link, link: &Link) -> bool {
    has(Bug::WrongKey) && core::mem::discriminant(&known.role) == core::mem::discriminant(&link.role)
}

pub(super) fn releases_again(known: &mut Link, link: &Link) {
    if has(Bug::DoubleRelease) && known.role == Role::Reversal {
        known.minor += link.minor;
    }
}
