//! Picking named fields out of a JSON object without reading the rest.
//!
//! What must hold: values stay the text that was sent, so that no amount is read as a float; a field given twice is
//! told from one given once; values that nobody asked for are checked for syntax only, without recursion, so depth
//! costs no stack.

pub(crate) mod tree;

use crate::refusal::Problem;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What an object has under one name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Field<'a> {
    #[default]
    Absent,
    Once(&'a str),
    Twice,
}

impl<'a> Field<'a> {
    /// One more value under its name.
    fn give(&mut self, value: &'a str) {
        *self = match self {
            Field::Absent => Field::Once(value),
            Field::Once(_) | Field::Twice => Field::Twice,
        };
    }

    /// The value's text; null counts as absent.
    pub(crate) fn value(self) -> Result<Option<&'a str>, Problem> {
        match self {
            Field::Absent | Field::Once("null") => Ok(None),
            Field::Once(text) => Ok(Some(text)),
            Field::Twice => Err(Problem::GivenTwice),
        }
    }
}

/// The fields of these names in an object; none if the text is not one JSON object and nothing else.
pub(crate) fn pick<'a, const N: usize>(text: &'a str, names: [&str; N]) -> Option<[Field<'a>; N]> {
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = Pick(names).deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(fields)
}

/// A JSON string's content, unescaped.
pub(crate) fn string(text: &str) -> Result<Cow<'_, str>, Problem> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(Problem::NotText);
    };
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(text).map(Cow::Owned).map_err(|_| Problem::NotText)
}

/// All fields of an object in their order, names unescaped; none if the text is not one JSON object and nothing else,
/// or has more fields than that.
pub(crate) fn fields(text: &str, most: usize) -> Option<Vec<(String, &str)>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = Fields(most).deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(fields)
}

/// The values of an array; none if the text is not one JSON array and nothing else, or has more values than that.
pub(crate) fn values(text: &str, most: usize) -> Option<Vec<&str>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let values = Values(most).deserialize(&mut json).ok()?;
    json.end().ok()?;
    Some(values)
}

struct Fields(usize);

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Vec<(String, &'de str)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if fields.len() == self.0 {
                return Err(serde::de::Error::custom("too many fields"));
            }
            fields.push((name, value.get()));
        }
        Ok(fields)
    }
}

struct Values(usize);

impl<'de> DeserializeSeed<'de> for Values {
    type Value = Vec<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Values {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element::<&RawValue>()? {
            if values.len() == self.0 {
                return Err(serde::de::Error::custom("too many values"));
            }
            values.push(value.get());
        }
        Ok(values)
    }
}

struct Pick<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Pick<'_, N> {
    type Value = [Field<'de>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Pick<'_, N> {
    type Value = [Field<'de>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = [Field::Absent; N];
        while let Some(place) = map.next_key_seed(Place(|at| self.0.get(at).copied()))? {
            match place.and_then(|place| fields.get_mut(place)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(field) => field.give(map.next_value::<&RawValue>()?.get()),
            }
        }
        Ok(fields)
    }
}

/// Which of the names a key is; they are given by their places, until there is none.
struct Place<F>(F);

impl<'de, 'n, F: Fn(usize) -> Option<&'n str>> DeserializeSeed<'de> for Place<F> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'n, F: Fn(usize) -> Option<&'n str>> Visitor<'_> for Place<F> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let first = key.as_bytes().first();
        // Nearly all names are told apart by their first letter, without a call for each.
        let is = |name: &str| name.len() == key.len() && name.as_bytes().first() == first && name == key;
        let mut names = (0..).map_while(|at| Some((at, (self.0)(at)?)));
        Ok(names.find(|(_, name)| is(name)).map(|(at, _)| at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let text = r#" {"x":{"a":1}, "a" : 4.820e1 , "\u0062":"t\"", "c":null} "#;
        let Some([a, b, c, d]) = pick(text, ["a", "b", "c", "d"]) else { panic!("not picked") };
        assert_eq!(a.value(), Ok(Some("4.820e1")));
        assert_eq!(b.value(), Ok(Some(r#""t\"""#)));
        assert_eq!(string(r#""t\"""#), Ok(Cow::Owned("t\"".into())));
        assert!(matches!((c, c.value()), (Field::Once("null"), Ok(None))));
        assert!(matches!(d, Field::Absent));
    }

    #[test]
    fn twice_is_told_even_if_escaped_or_null() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"a":null,"a":1}"#, r#"{"a":1,"a":2,"a":3}"#] {
            let Some([a]) = pick(text, ["a"]) else { panic!("not picked") };
            assert_eq!(a.value(), Err(Problem::GivenTwice), "{text}");
        }
    }

    #[test]
    fn only_one_whole_object_is_picked_from() {
        for text in
            ["", "null", "[]", "1", "\"a\"", "{", "{}}", "{} x", "{\"a\":}", "{\"a\":01}", "{\"a\":1,}", "{a:1}"]
        {
            assert!(pick(text, ["a"]).is_none(), "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        assert!(pick(&format!("{{\"a\":{deep},\"b\":{deep}}}"), ["a"]).is_some());
    }

    #[test]
    fn what_is_no_string_is_told() {
        for text in ["1", "null", "{}", "[\"a\"]", r#""\ud800""#] {
            assert_eq!(string(text), Err(Problem::NotText), "{text}");
        }
    }
}
