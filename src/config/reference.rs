//! `docs/configuration.md`, made of the types of the configuration and what their comments say of each field.
//!
//! What must hold: a key that there is stands in the page, with the default that is in force without it. So nothing of
//! the page is written by hand but its first lines. All of this is for the test alone: no schema is in the program.

use super::{ClusterId, Config, Money, Secret, UndecidedReason, layers, values};
use crate::admin::Role;
use crate::renewal;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write;
use toml::Table;

const HEAD: &str = include_str!("reference/head.md");
/// Where it stands.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

/// What stands in the file as text and is read into more.
macro_rules! text {
    ($($of:ty: $kind:literal),* $(,)?) => {$(
        impl JsonSchema for $of {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($of).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $kind })
            }
        }
    )*};
}

text! {
    Secret: "secret",
    ClusterId: "32 hex digits",
    Money: "amount, as `50.00 USD`",
    UndecidedReason: "decline reason",
    values::RefusedKinds: "words, separated by commas",
    values::RefusedMccs: "words, separated by commas",
    Role: "`viewer`, `operator`, `risk` or `admin`",
}

/// The page.
fn page() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let schema = Value::from(settings.into_generator().into_root_schema_for::<Config>());
    let defaults = Table::try_from(Config::default()).expect("the defaults");
    let specimen = Table::try_from(layers::specimen_config()).expect("a specimen");
    let renewed = renewed();
    let mut page = HEAD.to_owned();
    for (section, of) in properties(&schema) {
        let name = if is_list(of) { format!("[[{section}]]") } else { format!("[{section}]") };
        let _ = write!(page, "\n## `{name}`\n\n{}\n\n", meaning(of));
        if is_list(of) {
            let _ = write!(page, "The variable is `HOLDFAST__{}`.\n\n", section.to_uppercase());
        }
        page.push_str("| key | type | default | while it runs | variable | meaning |\n|---|---|---|---|---|---|\n");
        let place = Place { key: section.clone(), variable: format!("HOLDFAST__{}", section.to_uppercase()) };
        let known = defaults.get(section).or_else(|| specimen.get(section)).filter(|known| !is_empty_list(known));
        rows(&mut page, &place, of, known.or_else(|| specimen.get(section)), &specimen[section], &renewed);
    }
    page
}

/// Where rows stand: the name of the key so far, and of its variable if there is one.
struct Place {
    key: String,
    variable: String,
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let object = if is_list(schema) { &schema["items"] } else { schema };
    object["properties"].as_object().into_iter().flatten()
}

fn is_list(schema: &Value) -> bool {
    schema["type"] == "array"
}

fn is_empty_list(value: &toml::Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// A row for each key of a section, or of what stands in its list, and below it for the keys of what that is.
fn rows(
    page: &mut String,
    place: &Place,
    of: &Value,
    defaults: Option<&toml::Value>,
    specimen: &toml::Value,
    renewed: &[String],
) {
    let in_list = is_list(of);
    let step = if in_list { "[]." } else { "." };
    let inner = |value: Option<&toml::Value>, key: &str| -> Option<toml::Value> {
        let table = value.and_then(|value| value.as_array().map_or(Some(value), |list| list.first()));
        table.and_then(|table| table.get(key)).cloned()
    };
    for (key, field) in properties(of) {
        let name = format!("{}{step}{key}", place.key);
        let variable = match in_list || place.variable.is_empty() {
            true => String::new(),
            false => format!("{}__{}", place.variable, key.to_uppercase()),
        };
        let whole = !variable.is_empty() && field["type"] != "object";
        let shown = if whole { format!("`{variable}`") } else { String::new() };
        let (default, sample) = (inner(defaults, key), inner(Some(specimen), key));
        let said = meaning(field);
        let when = if is_renewed(&name, renewed) { "yes" } else { "no" };
        let default_shown = default_text(default.as_ref(), &said);
        let _ = writeln!(page, "| `{name}` | {} | {default_shown} | {when} | {shown} | {said} |", kind(field));
        let below = Place { key: name, variable };
        let sample = sample.unwrap_or(toml::Value::Boolean(false));
        let known = default.filter(|default| !is_empty_list(default)).unwrap_or_else(|| sample.clone());
        rows(page, &below, field, Some(&known), &sample, renewed);
    }
}

fn default_text(default: Option<&toml::Value>, said: &str) -> String {
    if said.contains("Required") && !said.contains("Default") {
        return "required".to_owned();
    }
    match default {
        Some(toml::Value::String(text)) if !text.is_empty() => format!("`{text}`"),
        Some(toml::Value::Integer(number)) => number.to_string(),
        Some(toml::Value::Boolean(so)) => so.to_string(),
        Some(toml::Value::Table(_)) => String::new(),
        _ => "none".to_owned(),
    }
}

/// What may stand there.
fn kind(field: &Value) -> String {
    let choices = field["oneOf"].as_array().or_else(|| field["anyOf"].as_array());
    if let Some(choices) = choices {
        let words = choices.iter().filter_map(|one| one["const"].as_str().or_else(|| one["enum"][0].as_str()));
        let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
        if !words.is_empty() {
            return words.join(", ");
        }
        let some = choices.iter().find(|one| one["type"] != "null").expect("one of them is something");
        return kind(some);
    }
    if let Some(words) = field["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    let named = field["type"].as_str().or_else(|| field["type"][0].as_str()).unwrap_or_default();
    match (named, field["format"].as_str()) {
        ("array", _) if properties(field).next().is_some() => "list of tables".to_owned(),
        ("array", _) => format!("list of {}s", kind(&field["items"])),
        ("object", _) => "table".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        ("boolean", _) => "`true`, `false`".to_owned(),
        ("string", Some(format)) => format.to_owned(),
        ("string", None) => "text".to_owned(),
        (other, _) => panic!("a kind without a word: {other} in {field}"),
    }
}

/// What the comment says, without line breaks and without since when.
fn meaning(field: &Value) -> String {
    let text = field["description"].as_str().unwrap_or_else(|| panic!("a key without a comment: {field}"));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.split(" Since ").next().unwrap_or_default();
    text.replace('|', "\\|")
}

/// Whether a key is among these or within one of them.
fn is_renewed(key: &str, renewed: &[String]) -> bool {
    let within =
        |of: &String| key.strip_prefix(of.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    renewed.iter().any(within)
}

/// Sections and keys that a running node takes over.
fn renewed() -> Vec<String> {
    let keys = renewal::AGAIN.iter().map(|key| (*key).to_owned());
    sections_renewed().into_iter().chain(keys).collect()
}

fn sections_renewed() -> Vec<String> {
    let specimen = layers::specimen_config();
    let (before, after) = (specimen.clone(), renewal::without_renewed(specimen));
    let [before, after] = [before, after].map(|config| Table::try_from(config).expect("a table"));
    before.into_iter().filter(|(name, value)| after.get(name) != Some(value)).map(|(name, _)| name).collect()
}

/// `HOLDFAST_WRITE=1 cargo test -p holdfast configuration` writes it again.
#[test]
fn the_published_configuration_reference_is_that_of_the_code() {
    if std::env::var_os("HOLDFAST_WRITE").is_some() {
        std::fs::write(PAGE, page()).expect("write the page");
    }
    let published = std::fs::read_to_string(PAGE).expect("the page");
    assert!(published == page(), "docs/configuration.md is not that of the code: HOLDFAST_WRITE=1 writes it");
}

#[test]
fn every_key_of_the_configuration_is_in_the_reference_and_says_since_when() {
    fn keys(prefix: &str, value: &toml::Value, all: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(key, value)| {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                keys(&name, value, all);
            }),
            toml::Value::Array(list) if list.first().is_some_and(toml::Value::is_table) => {
                list.iter().for_each(|one| keys(&format!("{prefix}[]"), one, all));
            }
            _ => all.push(prefix.to_owned()),
        }
    }
    let mut all = Vec::new();
    keys("", &toml::Value::try_from(layers::specimen_config()).expect("a table"), &mut all);
    assert!(all.len() > 90, "{}", all.len());
    let page = page();
    let missing: Vec<_> = all.iter().filter(|key| !page.contains(&format!("| `{key}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(sections_renewed(), ["admin", "issuer", "programs"]);
}
