//! The file: what it means, what it refuses, and that it comes back as it was.

use super::*;
use ledger::{Condition, Document, Mode, Then, Window};

/// The example of the documentation says all that can be said.
const EXAMPLE: &str = include_str!("../../docs/controls.example.toml");

#[test]
fn the_example_is_read_and_written_and_read_again() {
    let document = read(EXAMPLE).unwrap();
    let file = write(&document);
    let (as_toml, as_json) = (toml::to_string(&file).unwrap(), serde_json::to_string(&file).unwrap());
    assert_eq!(read(&as_toml).unwrap(), document);
    assert_eq!(read(&as_json).unwrap(), document);
    assert_eq!(changes(&document, &document), Vec::<String>::new());
}

/// No key of the format is without an example, so none is without a test that reads it.
#[test]
fn the_example_has_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let mut keys: Vec<&String> = Vec::new();
    let definitions = schema["$defs"].as_object().unwrap().values();
    for object in definitions.chain([&schema]) {
        keys.extend(object["properties"].as_object().unwrap().keys());
    }
    assert!(keys.len() > 40);
    for key in keys {
        let said = [format!("{key} ="), format!("[{key}]"), format!("[[{key}]]"), format!(".{key}]")];
        assert!(said.iter().any(|said| EXAMPLE.contains(said.as_str())), "{key}");
    }
}

/// `HOLDFAST_WRITE=1 cargo test -p holdfast controls` writes it again.
#[test]
fn the_published_schema_is_the_one_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/controls.schema.json");
    if std::env::var_os("HOLDFAST_WRITE").is_some() {
        std::fs::write(path, schema()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema());
}

#[test]
fn nothing_is_a_document() {
    for text in ["", "{}", "  \n{ }", "# nothing\n"] {
        assert_eq!(read(text), Ok(Document::default()), "{text:?}");
    }
}

#[test]
fn groups_ranges_and_single_categories_are_one_list() {
    let text = "[[rule]]\nname = \"r\"\ndeny = true\nwhen = { mcc = [\"gambling\", \"0742\", \"3000-3299\"] }\n";
    let document = read(text).unwrap();
    let ranges = vec![(7800, 7802), (7995, 7995), (742, 742), (3000, 3299)];
    assert_eq!(document.rules[0].when, [Condition::Mcc(ranges)]);
    assert_eq!((document.rules[0].mode, document.rules[0].then), (Mode::Enforce, Then::Deny));
}

#[test]
fn a_mistake_is_told_with_its_rule_and_key() {
    let rule = |rest: &str| format!("[[rule]]\nname = \"r\"\n{rest}\n");
    for (text, said) in [
        ("tme_zone = \"UTC\"".to_owned(), "unknown field `tme_zone`"),
        ("time_zone = \"Mars/Olympus\"".to_owned(), "time_zone: \"Mars/Olympus\" is no time zone"),
        ("[settings]\nhold_days = 3".to_owned(), "settings.hold_days must be 7 to 366"),
        ("[settings]\nhold_days = -3".to_owned(), "hold_days"),
        (
            "[settings]\nunknown_cards = \"maybe\"".to_owned(),
            "settings.unknown_cards: \"maybe\" is none of: accept, refuse",
        ),
        (
            "[settings]\nunconfirmed_after = \"10\"".to_owned(),
            "settings.unconfirmed_after: \"10\" must be a number with",
        ),
        (rule(""), "rule \"r\": needs exactly one of"),
        (rule("deny = true\nmost = \"5.00 USD\""), "rule \"r\": needs exactly one of"),
        (rule("deny = false"), "rule \"r\": deny: may only be true"),
        (rule("deny = true"), "rule \"r\": denies everything"),
        (rule("most = \"5 dollars\""), "rule \"r\": most: \"5 dollars\" has no currency"),
        (rule("most = \"5.001 USD\""), "rule \"r\": most: \"5.001 USD\""),
        (rule("most = 5"), "expected a string"),
        (rule("most = \"5.00 USD\"\nmode = \"off\""), "rule \"r\": mode: \"off\" is none of: enforce, shadow"),
        (rule("most = \"5.00 USD\"\nwhen = { mcc = [\"54\"] }"), "rule \"r\": when.mcc: \"54\" is neither"),
        (rule("most = \"5.00 USD\"\nwhen = { mcc = [\"5411-5400\"] }"), "rule \"r\": a range of merchant categories"),
        (
            rule("most = \"5.00 USD\"\nunless = { country = [\"us\"] }"),
            "rule \"r\": unless.country: \"us\" is not three",
        ),
        (rule("most = \"5.00 USD\"\nwhen = { channel = [\"fax\"] }"), "rule \"r\": when.channel: \"fax\" is none of"),
        (rule("most = \"5.00 USD\"\nwhen = { chanel = [\"atm\"] }"), "unknown field `chanel`"),
        (
            rule("limit = { per = \"month\", window = \"day\", count = 1 }"),
            "rule \"r\": limit.per: \"month\" is none of",
        ),
        (
            rule("limit = { per = \"card\", window = \"year\", count = 1 }"),
            "rule \"r\": limit.window: \"year\" is neither",
        ),
        (rule("limit = { per = \"card\", window = \"day\" }"), "rule \"r\": a limit needs an amount or a count"),
        (rule("limit = { per = \"card\", window = \"10s\", count = 1 }"), "rule \"r\": a rolling window must be"),
        (rule("travel = \"soon\""), "rule \"r\": travel: \"soon\" must be"),
        ("[[rule]]\nname = \"\"\nmost = \"5.00 USD\"".to_owned(), "rule \"\": name: is empty"),
        ("[[rule]]\nmost = \"5.00 USD\"".to_owned(), "missing field `name`"),
        ("{\"rule\": [{\"name\": \"r\"}]}".to_owned(), "rule \"r\": needs exactly one of"),
        ("{\"rule\": 7}".to_owned(), "line 1 column 10"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(said), "{error}\n---\n{said}");
    }
}

#[test]
fn changes_are_told_line_by_line() {
    let old =
        read("[[rule]]\nname = \"a\"\nmost = \"5.00 USD\"\n[[rule]]\nname = \"b\"\nmost = \"6.00 USD\"\n").unwrap();
    let daily = "limit = { per = \"card\", window = \"day\", count = 1 }";
    let new = read(&format!(
        "[settings]\nhold_days = 9\n[[rule]]\nname = \"a\"\nmost = \"7.00 USD\"\n[[rule]]\nname = \"c\"\n{daily}\n"
    ));
    let new = new.unwrap();
    assert_eq!(
        changes(&old, &new),
        [
            "~ settings: {} -> {\"hold_days\":9}",
            "~ {\"name\":\"a\",\"most\":\"5.00 USD\"} -> {\"name\":\"a\",\"most\":\"7.00 USD\"}",
            "- {\"name\":\"b\",\"most\":\"6.00 USD\"}",
            "+ {\"name\":\"c\",\"limit\":{\"per\":\"card\",\"window\":\"day\",\"count\":1}}",
        ]
    );
    let mut weekly = new.clone();
    let Then::Limit(limit) = &mut weekly.rules[1].then else { panic!("a limit") };
    limit.window = Window::Week;
    assert!(changes(&new, &weekly)[0].ends_with("(its counter begins anew)"));
}

#[test]
fn times() {
    let of = |text| span(text).ok().map(|time| time.0);
    assert_eq!((of("90s"), of("10m"), of("2h"), of("1d")), (Some(90), Some(600), Some(7_200), Some(86_400)));
    for text in ["", "10", "m", "-1m", "1.5h", "10 m", "1w", "99999999d", "1ü"] {
        assert_eq!(of(text), None, "{text}");
    }
}
