//! From the file and the environment to one table of settings.
//!
//! What must hold: whatever is refused is named by its own key, and no message quotes a value that may be a secret.
//! A variable's text becomes what its key takes: the defaults tell which, so a password that looks like a number stays
//! text. A list is given as TOML, as in `HOLDFAST__CLUSTER__MEMBERS='[{id = 1, peer = "…", admin = "…"}]'`, or as
//! `file:PATH` of a file that holds it: so credentials come from a mounted file, which can change while the node runs.

use super::{AdminCertificate, AdminToken, ClusterId, Config, ConfigError, IssuerCredentials, Member, Program, Secret};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

const PREFIX: &str = "HOLDFAST__";
/// What stands before the path of a file that holds a list.
const FILE: &str = "file:";
/// 64 programmes with all their secrets have 300 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Whether a variable is meant for us.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The file's table, with every key known and of the right kind.
pub(super) fn parse(text: &str, path: &Path) -> Result<Table, ConfigError> {
    let table: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let upto = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
        let line = upto.matches('\n').count() + 1;
        ConfigError::Syntax { path: path.to_owned(), line, problem: error.message().to_owned() }
    })?;
    Place(Vec::new()).check_table(&table, &specimen()?)?;
    Ok(table)
}

/// Lays the variables over the table.
pub(super) fn overlay(table: &mut Table, env: impl Iterator<Item = (String, String)>) -> Result<(), ConfigError> {
    let known = specimen()?;
    for (name, text) in env.filter(|(name, _)| is_ours(name)) {
        let wrong = |problem: &str| ConfigError::field(&name, problem);
        let key = name[PREFIX.len()..].to_lowercase();
        let steps: Vec<&str> = key.split("__").collect();
        let sample = find(&known, &steps).filter(|_| key.to_uppercase() == name[PREFIX.len()..]);
        let sample = match sample {
            None => return Err(wrong("overrides no key that there is")),
            Some(Value::Table(_)) => return Err(wrong("names a section, not a key")),
            Some(sample) => sample,
        };
        let value = match (text.strip_prefix(FILE), sample) {
            (Some(path), Value::Array(_)) => {
                let held = list_file(Path::new(path)).map_err(|problem| wrong(&format!("{path}: {problem}")))?;
                convert(&held, sample).map_err(|problem| wrong(&format!("{path}: {problem}")))?
            }
            (..) => convert(&text, sample).map_err(wrong)?,
        };
        let mut place = Place(steps.iter().map(|step| Step::Key((*step).to_owned())).collect());
        place.check(&value, Some(sample)).map_err(|error| match error {
            ConfigError::Field { problem, .. } => wrong(&problem),
            other => other,
        })?;
        insert(table, &steps, value);
    }
    Ok(())
}

/// A config in which every key stands, to tell what there is and of which kind.
fn specimen() -> Result<Table, ConfigError> {
    Table::try_from(specimen_config()).map_err(|error| ConfigError::field("defaults", error.to_string()))
}

pub(super) fn specimen_config() -> Config {
    let mut config = Config::default();
    config.node.log_dir = Some(PathBuf::new());
    config.cluster.id = Some(ClusterId::default());
    config.cluster.members = vec![Member::default()];
    config.cluster.join = vec![String::new()];
    config.standin.nodes = vec![0];
    config.programs = vec![Program {
        passwords: vec![Secret::new("")],
        webhook_passwords: vec![Secret::new("")],
        webhook_secrets: vec![Secret::new("")],
        ..Program::default()
    }];
    config.issuer.credentials =
        vec![IssuerCredentials { passwords: vec![Secret::new("")], ..IssuerCredentials::default() }];
    config.admin.tokens = vec![AdminToken { tokens: vec![Secret::new("")], ..AdminToken::default() }];
    config.admin.certificates = vec![AdminCertificate::default()];
    config
}

fn find<'a>(known: &'a Table, steps: &[&str]) -> Option<&'a Value> {
    let (first, rest) = steps.split_first()?;
    let value = known.get(*first)?;
    if rest.is_empty() { Some(value) } else { find(value.as_table()?, rest) }
}

/// Text to what the sample is. The text is never quoted.
fn convert(text: &str, sample: &Value) -> Result<Value, &'static str> {
    match sample {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| "must be a whole number"),
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| "must be true or false"),
        Value::Array(_) => {
            let mut table: Table = toml::from_str(&format!("list = {text}")).map_err(|_| "must be a list in TOML")?;
            match table.remove("list") {
                Some(list @ Value::Array(_)) if table.is_empty() => Ok(list),
                _ => Err("must be a list in TOML"),
            }
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => Err("cannot be set by a variable"),
    }
}

/// The text of a file that a variable names.
fn list_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err("is larger than 1 MiB".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn insert(table: &mut Table, steps: &[&str], value: Value) {
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let section = table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        insert(section, rest, value);
    }
}

/// Where in the config a value stands.
struct Place(Vec<Step>);

enum Step {
    Key(String),
    Index(usize),
}

impl Place {
    /// Every key has a default, so a config of nothing but one value is complete: it is read, or that key is at fault.
    /// The sample is what stands there in the specimen, if anything does.
    fn check(&mut self, value: &Value, sample: Option<&Value>) -> Result<(), ConfigError> {
        match (value, sample) {
            // Serde would take a list for a section, its values in order.
            (Value::Array(_), Some(Value::Table(_))) => Err(ConfigError::field(self.name(), "must be a section")),
            (Value::Table(table), Some(Value::Table(known))) if !table.is_empty() => self.check_table(table, known),
            (Value::Array(list), Some(Value::Array(known))) if !list.is_empty() => {
                list.iter().enumerate().try_for_each(|(index, value)| {
                    self.0.push(Step::Index(index));
                    let checked = self.check(value, known.first());
                    self.0.pop();
                    checked
                })
            }
            _ => self.check_leaf(value),
        }
    }

    fn check_table(&mut self, table: &Table, known: &Table) -> Result<(), ConfigError> {
        table.iter().try_for_each(|(key, value)| {
            self.0.push(Step::Key(key.clone()));
            let checked = self.check(value, known.get(key));
            self.0.pop();
            checked
        })
    }

    fn check_leaf(&self, value: &Value) -> Result<(), ConfigError> {
        let alone = self.0.iter().rev().fold(value.clone(), |value, step| match step {
            Step::Key(key) => Value::Table(Table::from_iter([(key.clone(), value)])),
            Step::Index(_) => Value::Array(vec![value]),
        });
        match Config::deserialize(alone) {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::field(self.name(), error.message())),
        }
    }

    fn name(&self) -> String {
        let mut name = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) if name.is_empty() => name.push_str(key),
                Step::Key(key) => name.extend([".", key]),
                Step::Index(index) => name.push_str(&format!("[{index}]")),
            }
        }
        name
    }
}
