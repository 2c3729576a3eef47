//! Picking values out of an object and out of objects within it, each byte of the text read once.
//!
//! What must hold: what is found is what [`super::pick`] finds in the object and then in the texts of the objects
//! within it. Where the text is not as nearly all are (an object is expected and something else stands there, or an
//! object within is faulty), it is read again in that slower way, and only then it is known what is wrong.

use super::{Field, Place};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What is looked for under a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// A value, and the place for it.
    Value(&'static str, usize),
    /// An object in which something is wanted, and the place for what it is.
    Object(&'static str, usize, &'static [Wanted]),
}

/// What stands where an object is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Nothing, or null.
    #[default]
    Absent,
    /// Null, which counts as nothing unless it is given twice.
    Null,
    /// An object. What was wanted in it has places of its own.
    Object,
    /// Something else.
    Other,
    /// It is given twice; so is, for whoever asks, everything that is wanted in it.
    Twice,
}

/// What was found, by place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked<'a, const VALUES: usize, const OBJECTS: usize> {
    pub(crate) values: [Field<'a>; VALUES],
    pub(crate) objects: [Inner; OBJECTS],
}

impl Wanted {
    fn name(&self) -> &'static str {
        match self {
            Wanted::Value(name, _) | Wanted::Object(name, ..) => name,
        }
    }
}

/// What is wanted in an object; none if the text is not one JSON object and nothing else.
pub(crate) fn pick<'a, const VALUES: usize, const OBJECTS: usize>(
    text: &'a str,
    wanted: &[Wanted],
) -> Option<Picked<'a, VALUES, OBJECTS>> {
    [Way::Once, Way::Again].into_iter().find_map(|way| {
        let mut picked = Picked { values: [Field::Absent; VALUES], objects: [Inner::Absent; OBJECTS] };
        let Picked { values, objects } = &mut picked;
        whole(text, Look { wanted, values, objects, way }).then_some(picked)
    })
}

/// How objects within are read.
#[derive(Clone, Copy)]
enum Way {
    /// As they come. Whatever is wrong in them is wrong with all of it.
    Once,
    /// As text, and then what is wanted in it.
    Again,
}

/// Looks for what is wanted in one object.
struct Look<'w, 'p, 'de> {
    wanted: &'w [Wanted],
    values: &'p mut [Field<'de>],
    objects: &'p mut [Inner],
    way: Way,
}

/// Whether the text is one object and nothing else.
fn whole<'de>(text: &'de str, look: Look<'_, '_, 'de>) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(look).is_ok() && json.end().is_ok()
}

impl<'de> Look<'_, '_, 'de> {
    fn within<'p>(&'p mut self, wanted: &'static [Wanted]) -> Look<'static, 'p, 'de> {
        Look { wanted, values: self.values, objects: self.objects, way: self.way }
    }

    /// Everything below has this from now on.
    fn put_all(&mut self, wanted: &[Wanted], value: Field<'de>, object: Inner) {
        for one in wanted {
            match one {
                Wanted::Value(_, place) => put(self.values, *place, value),
                Wanted::Object(_, place, within) => {
                    put(self.objects, *place, object);
                    self.put_all(within, value, object);
                }
            }
        }
    }

    fn object<A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        place: usize,
        wanted: &'static [Wanted],
    ) -> Result<Inner, A::Error> {
        if self.objects.get(place).is_some_and(|known| *known != Inner::Absent) {
            map.next_value::<IgnoredAny>()?;
            self.put_all(wanted, Field::Twice, Inner::Twice);
            return Ok(Inner::Twice);
        }
        let text = match self.way {
            Way::Once => return map.next_value_seed(Within(self.within(wanted))),
            Way::Again => map.next_value::<&RawValue>()?.get(),
        };
        if text == "null" {
            return Ok(Inner::Null);
        }
        if whole(text, self.within(wanted)) {
            return Ok(Inner::Object);
        }
        self.put_all(wanted, Field::Absent, Inner::Absent);
        Ok(Inner::Other)
    }
}

fn put<T>(all: &mut [T], place: usize, value: T) {
    if let Some(slot) = all.get_mut(place) {
        *slot = value;
    }
}

impl<'de> Visitor<'de> for Look<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let wanted = self.wanted;
        while let Some(found) = map.next_key_seed(Place(|at| wanted.get(at).map(Wanted::name)))? {
            match found.and_then(|at| wanted.get(at)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(Wanted::Value(_, place)) => {
                    let text = map.next_value::<&RawValue>()?.get();
                    if let Some(field) = self.values.get_mut(*place) {
                        field.give(text);
                    }
                }
                Some(Wanted::Object(_, place, within)) => {
                    let inner = self.object(&mut map, *place, within)?;
                    put(self.objects, *place, inner);
                }
            }
        }
        Ok(())
    }
}

/// The same where null may stand instead.
struct Within<'w, 'p, 'de>(Look<'w, 'p, 'de>);

impl<'de> DeserializeSeed<'de> for Within<'_, '_, 'de> {
    type Value = Inner;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Inner, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Within<'_, '_, 'de> {
    type Value = Inner;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_none<E>(self) -> Result<Inner, E> {
        Ok(Inner::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Inner, D::Error> {
        deserializer.deserialize_map(self.0).map(|()| Inner::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pick as pick_flat;
    use super::*;
    use proptest::prelude::*;

    const DEEP: &[Wanted] = &[Wanted::Value("x", 2)];
    const MIDDLE: &[Wanted] = &[Wanted::Value("x", 1), Wanted::Object("in", 1, DEEP)];
    const ALL: &[Wanted] = &[Wanted::Value("x", 0), Wanted::Object("in", 0, MIDDLE)];

    type Found = ([String; 3], [Inner; 2]);

    fn shown(field: Field<'_>) -> String {
        match field {
            Field::Absent => "-".to_owned(),
            Field::Once(text) => text.to_owned(),
            Field::Twice => "twice".to_owned(),
        }
    }

    fn found(text: &str) -> Option<Found> {
        let picked: Picked<'_, 3, 2> = pick(text, ALL)?;
        Some((picked.values.map(shown), picked.objects))
    }

    /// Level by level, each with a scan of its own.
    fn naive(text: &str) -> Option<Found> {
        let [x, inner] = pick_flat(text, ["x", "in"])?;
        let (middle, one) = naive_within(inner, ["x", "in"]);
        let (deep, two) = naive_within(middle[1], ["x", ""]);
        Some(([shown(x), shown(middle[0]), shown(deep[0])], [one, two]))
    }

    fn naive_within<'a>(field: Field<'a>, names: [&str; 2]) -> ([Field<'a>; 2], Inner) {
        match field {
            Field::Absent => ([Field::Absent; 2], Inner::Absent),
            Field::Once("null") => ([Field::Absent; 2], Inner::Null),
            Field::Twice => ([Field::Twice; 2], Inner::Twice),
            Field::Once(text) => match pick_flat(text, names) {
                Some(fields) => (fields, Inner::Object),
                None => ([Field::Absent; 2], Inner::Other),
            },
        }
    }

    #[test]
    fn objects_within_are_found_told_apart_and_told_twice() {
        use Inner::{Absent, Null, Object, Other, Twice};
        for (text, values, objects) in [
            (r#"{"x":1,"in":{"x":2,"in":{"x":3}}}"#, ["1", "2", "3"], [Object, Object]),
            (r#"{"in":{"in":{"y":3},"x":null}}"#, ["-", "null", "-"], [Object, Object]),
            (r#"{"in":null}"#, ["-", "-", "-"], [Null, Absent]),
            (r#"{"in":[{"x":2}],"x":7}"#, ["7", "-", "-"], [Other, Absent]),
            (r#"{"in":1e999}"#, ["-", "-", "-"], [Other, Absent]),
            (r#"{"in":{"in":"\ud800","x":2}}"#, ["-", "2", "-"], [Object, Other]),
            (r#"{"in":{"x":2,"\ud800":1}}"#, ["-", "-", "-"], [Other, Absent]),
            (r#"{"in":{"x":2},"in":{"x":2}}"#, ["-", "twice", "twice"], [Twice, Twice]),
            (r#"{"in":null,"\u0069n":{"x":2}}"#, ["-", "twice", "twice"], [Twice, Twice]),
            (r#"{"in":{"x":2,"x":2,"in":{"x":1}}}"#, ["-", "twice", "1"], [Object, Object]),
        ] {
            assert_eq!(found(text), Some((values.map(str::to_owned), objects)), "{text}");
            assert_eq!(found(text), naive(text), "{text}");
        }
        for text in ["", "null", "[]", "{}x", r#"{"in":{"x":}}"#, r#"{"in":{}"#] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        let text = format!(r#"{{"in":{deep},"x":{deep},"y":{deep}}}"#);
        assert_eq!(found(&text), Some(([deep, "-".into(), "-".into()], [Inner::Other, Inner::Absent])));
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_a_pass_for_each_level_finds(
            text in r#"\{("(x|in|y|\\u0078)":(\{("(x|in)":(1|null|\{\}|\{"x":2\}|\[\]|"a\\n"),?){0,3}\}|null|3|\{"in":\{"x":4\}\}),?){0,3}\}"#,
        ) {
            prop_assert_eq!(found(&text), naive(&text), "{}", text);
        }
    }
}
