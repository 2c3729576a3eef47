//! What a new document would change, a line for each thing.

use super::write::{rule, write};
use ledger::{Document, Rule, Then};

/// The lines, in a fixed order: the zone, settings, then rules by name; empty if nothing would change.
pub fn changes(old: &Document, new: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    let (was, is) = (write(old), write(new));
    if old.zone != new.zone {
        let name = |zone: Option<String>| zone.unwrap_or_else(|| "UTC".to_owned());
        lines.push(format!("~ time_zone: {} -> {}", name(was.time_zone), name(is.time_zone)));
    }
    if old.settings != new.settings {
        lines.push(format!("~ settings: {} -> {}", json(&was.settings), json(&is.settings)));
    }
    let mut names: Vec<_> = old.rules.iter().chain(&new.rules).map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    let find = |document: &Document, name| document.rules.iter().find(|rule| rule.name == name).cloned();
    for name in names {
        match (find(old, name), find(new, name)) {
            (None, Some(new)) => lines.push(format!("+ {}", json(&rule(&new)))),
            (Some(old), None) => lines.push(format!("- {}", json(&rule(&old)))),
            (Some(old), Some(new)) if old != new => {
                let anew = if counts_anew(&old, &new) { " (its counter begins anew)" } else { "" };
                lines.push(format!("~ {} -> {}{anew}", json(&rule(&old)), json(&rule(&new))));
            }
            (_, _) => {}
        }
    }
    if lines.is_empty() && old != new {
        lines.push("~ the order of rules or of conditions, which means nothing".to_owned());
    }
    lines
}

/// A counter belongs to the window and to what is counted.
fn counts_anew(old: &Rule, new: &Rule) -> bool {
    match (old.then, new.then) {
        (Then::Limit(old), Then::Limit(new)) => (old.per, old.window, old.of) != (new.per, new.window, new.of),
        (_, _) => false,
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
