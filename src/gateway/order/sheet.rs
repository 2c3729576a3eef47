//! What a request's body says, by name, before anything is judged.
//!
//! What must hold: the body is read once. Not here: what is missing or wrong, but for the boxes that are given twice.

use crate::facts;
use crate::json::Field;
use crate::json::tree::Wanted::{Object, Value};
use crate::json::tree::{self, Inner, Picked, Wanted};

/// The values of a transaction object that decide, and those that tell.
pub(super) struct Sheet<'a> {
    /// `gpa_order`.
    pub(super) load: OrderBox<'a>,
    /// `gpa_order_unload`.
    pub(super) unload: OrderBox<'a>,
    /// `jit_funding` at the top, where it does not belong.
    pub(super) stray: Option<Said<'a>>,
    /// Which of these three is given twice, if one is: the first of them.
    pub(super) twice: Option<&'static str>,
    /// `currency_code` at the top.
    pub(super) currency: Field<'a>,
    /// The top-level `token`.
    pub(super) transaction: Field<'a>,
    /// `preceding_related_transaction_token`.
    pub(super) preceding: Field<'a>,
    /// `original_credit`.
    pub(super) credit: Field<'a>,
    /// For [`facts::of`].
    pub(super) told: [Field<'a>; facts::VALUES],
}

/// What is said where a `jit_funding` object may stand.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    pub(super) object: Inner,
    pub(super) values: [Field<'a>; 5],
}

/// One of the two boxes.
pub(super) enum OrderBox<'a> {
    Absent,
    NotObject,
    Object { funding: Said<'a>, currency: Field<'a> },
}

impl<'a> OrderBox<'a> {
    fn of(object: Inner, funding: Said<'a>, currency: Field<'a>) -> OrderBox<'a> {
        match object {
            Inner::Absent | Inner::Null | Inner::Twice => OrderBox::Absent,
            Inner::Other => OrderBox::NotObject,
            Inner::Object => OrderBox::Object { funding, currency },
        }
    }

    pub(super) fn funding(&self) -> Option<Said<'a>> {
        match self {
            OrderBox::Absent => None,
            OrderBox::NotObject => Some(Said::default()),
            OrderBox::Object { funding, .. } => Some(*funding),
        }
    }
}

/// The values of a `jit_funding` object; the first one's place is this.
const fn funding(first: usize) -> [Wanted; 5] {
    [
        Value("token", first),
        Value("method", first + 1),
        Value("user_token", first + 2),
        Value("amount", first + 3),
        Value("original_jit_funding_token", first + 4),
    ]
}

// What tells has the first places, in both kinds; what decides has those after it.
const OWN: usize = facts::VALUES;
const LOAD: usize = OWN + 4;
const UNLOAD: usize = LOAD + 6;
const STRAY: usize = UNLOAD + 6;
const VALUES: usize = STRAY + 5;
const BOXES: usize = facts::OBJECTS;
const OBJECTS: usize = BOXES + 5;

/// What is wanted of a transaction: what decides, and after it what tells.
static WANTED: [Wanted; 7 + facts::WANTED.len()] = {
    let own = [
        Object(
            "gpa_order",
            BOXES,
            &[Object("jit_funding", BOXES + 1, &funding(LOAD)), Value("currency_code", LOAD + 5)],
        ),
        Object(
            "gpa_order_unload",
            BOXES + 2,
            &[Object("jit_funding", BOXES + 3, &funding(UNLOAD)), Value("currency_code", UNLOAD + 5)],
        ),
        Object("jit_funding", BOXES + 4, &funding(STRAY)),
        Value("currency_code", OWN),
        Value("token", OWN + 1),
        Value("preceding_related_transaction_token", OWN + 2),
        Value("original_credit", OWN + 3),
    ];
    let mut all = [own[0]; 7 + facts::WANTED.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < own.len() { own[at] } else { facts::WANTED[at - own.len()] };
        at += 1;
    }
    all
};

impl<'a> Sheet<'a> {
    /// None if it is not one JSON object and nothing else.
    pub(super) fn read(text: &'a str) -> Option<Sheet<'a>> {
        let picked: Picked<'_, VALUES, OBJECTS> = tree::pick(text, &WANTED)?;
        let value = |place: usize| picked.values.get(place).copied().unwrap_or_default();
        let object = |place: usize| picked.objects.get(place).copied().unwrap_or_default();
        let funding = |object, first: usize| Said { object, values: std::array::from_fn(|at| value(first + at)) };
        let (load, unload, stray) = (object(BOXES), object(BOXES + 2), object(BOXES + 4));
        let boxes = [("gpa_order", load), ("gpa_order_unload", unload), ("jit_funding", stray)];
        Some(Sheet {
            load: OrderBox::of(load, funding(object(BOXES + 1), LOAD), value(LOAD + 5)),
            unload: OrderBox::of(unload, funding(object(BOXES + 3), UNLOAD), value(UNLOAD + 5)),
            stray: (stray != Inner::Absent).then(|| funding(stray, STRAY)),
            twice: boxes.into_iter().find(|(_, object)| *object == Inner::Twice).map(|(name, _)| name),
            currency: value(OWN),
            transaction: value(OWN + 1),
            preceding: value(OWN + 2),
            credit: value(OWN + 3),
            told: std::array::from_fn(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(wanted: &[Wanted], values: &mut Vec<usize>, objects: &mut Vec<usize>) {
        for one in wanted {
            match one {
                Value(_, place) => values.push(*place),
                Object(_, place, within) => {
                    objects.push(*place);
                    places(within, values, objects);
                }
            }
        }
    }

    #[test]
    fn each_place_is_for_one_name() {
        let (mut values, mut objects) = (Vec::new(), Vec::new());
        places(&WANTED, &mut values, &mut objects);
        values.sort_unstable();
        objects.sort_unstable();
        assert_eq!(values, (0..VALUES).collect::<Vec<_>>());
        assert_eq!(objects, (0..OBJECTS).collect::<Vec<_>>());
    }
}
