//! From a body to its items, each with the kind that the envelope names.
//!
//! **What must hold.** Never more than [`ITEMS_MAX`] items. An envelope that cannot be opened is refused as a whole;
//! what an item says is not looked at here, so that one bad item costs no other.

use crate::json::{fields, values};
use crate::refusal::{Fault, Problem};

/// What the processor sends at a time.
pub(crate) const ITEMS_MAX: usize = 10;
/// The processor sends one field; a few more say something about the post itself.
const FIELDS_MAX: usize = 16;

/// What kind of report an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Money may move.
    Transactions,
    /// A test of the way here.
    Pings,
    /// Cards, users and the like.
    Transitions,
    /// Nobody knows.
    Unknown,
}

impl Kind {
    fn of(name: &str) -> Kind {
        match name {
            "transactions" => Kind::Transactions,
            "pings" => Kind::Pings,
            "cards" | "users" | "businesses" | "digitalwallettokens" | "chargebacks" => Kind::Transitions,
            _ if name.ends_with("transitions") => Kind::Transitions,
            _ => Kind::Unknown,
        }
    }
}

/// One report as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report<'a> {
    pub(crate) kind: Kind,
    /// The envelope's name for the kind.
    pub(crate) name: String,
    /// The item's own text.
    pub(crate) text: &'a str,
}

/// Opens a body.
pub(crate) fn open(body: &[u8]) -> Result<Vec<Report<'_>>, Fault> {
    let whole = |problem| Fault { field: "body", problem };
    let text = std::str::from_utf8(body).map_err(|_| whole(Problem::NotUtf8))?;
    let found = fields(text, FIELDS_MAX).ok_or(whole(Problem::NotObject))?;
    let mut reports = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (name, value) in found {
        if !value.starts_with('[') {
            continue;
        }
        if names.contains(&name) {
            return Err(whole(Problem::GivenTwice));
        }
        let kind = Kind::of(&name);
        let too_many = || Fault { field: "items", problem: Problem::TooMany };
        let items = values(value, ITEMS_MAX - reports.len()).ok_or_else(too_many)?;
        reports.extend(items.into_iter().map(|text| Report { kind, name: name.clone(), text }));
        names.push(name);
    }
    if names.is_empty() { Err(Fault { field: "items", problem: Problem::Missing }) } else { Ok(reports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(body: &str) -> Result<Vec<(Kind, &str)>, String> {
        let reports = open(body.as_bytes()).map_err(|fault| fault.to_string())?;
        Ok(reports.into_iter().map(|report| (report.kind, report.text)).collect())
    }

    #[test]
    fn items_come_out_in_order_with_their_kind() {
        for (name, kind) in [
            ("transactions", Kind::Transactions),
            ("cards", Kind::Transitions),
            ("cardtransitions", Kind::Transitions),
            ("usertransitions", Kind::Transitions),
            ("businesstransitions", Kind::Transitions),
            ("digitalwallettokentransitions", Kind::Transitions),
            ("chargebacktransitions", Kind::Transitions),
            ("threedstransitions", Kind::Transitions),
            ("commandomodetransitions", Kind::Transitions),
            ("pings", Kind::Pings),
            ("surprises", Kind::Unknown),
        ] {
            let body = format!(r#" {{"{name}" : [ {{"a":1}} , 2 ], "attempt": 3}}"#);
            assert_eq!(opened(&body), Ok(vec![(kind, r#"{"a":1}"#), (kind, "2")]), "{name}");
        }
        assert_eq!(opened(r#"{"transactions":[]}"#), Ok(Vec::new()));
        let two = opened(r#"{"pings":[1],"transactions":[2]}"#);
        assert_eq!(two, Ok(vec![(Kind::Pings, "1"), (Kind::Transactions, "2")]));
    }

    #[test]
    fn ten_items_and_not_one_more() {
        let items = |count: usize| vec!["{}"; count].join(",");
        assert_eq!(opened(&format!("{{\"transactions\":[{}]}}", items(10))).map(|all| all.len()), Ok(10));
        for body in [
            format!("{{\"transactions\":[{}]}}", items(11)),
            format!("{{\"transactions\":[{}],\"pings\":[{}]}}", items(6), items(5)),
        ] {
            assert_eq!(opened(&body), Err("items: too many".to_owned()));
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused_by_name() {
        let many: String = (0..17).map(|number| format!("\"{number}\":1,")).collect();
        for (body, expected) in [
            ("", "body: not a JSON object"),
            ("[]", "body: not a JSON object"),
            ("{\"transactions\":[{]}", "body: not a JSON object"),
            ("{\"transactions\":[]} x", "body: not a JSON object"),
            (&*format!("{{{many}\"transactions\":[]}}"), "body: not a JSON object"),
            ("{}", "items: missing"),
            ("{\"transactions\":{}}", "items: missing"),
            ("{\"transactions\":[1],\"transactions\":[2]}", "body: given twice"),
            ("{\"transactions\":[1],\"\\u0074ransactions\":[2]}", "body: given twice"),
        ] {
            assert_eq!(opened(body), Err(expected.to_owned()), "{body}");
        }
        assert_eq!(open(b"\xff").map_err(|fault| fault.to_string()), Err("body: not UTF-8".to_owned()));
    }
}
