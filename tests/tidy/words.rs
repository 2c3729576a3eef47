//! What no file may say: where somebody's machine keeps things, and tasks that belong to nobody.
//!
//! **What must hold.** Holds for every text file, this one too: so the words below are put together.

use crate::source::Violation;

/// Paths and names of machines that the project was written on.
const MACHINES: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/tm", "p/t-"), concat!("fa", "rm-"), concat!(".lib", "rary")];
/// Words for what is still to be done; with an owner in parentheses they may stay.
const TASKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Checks any text file.
pub fn check(path: &str, text: &str) -> Vec<Violation> {
    if path == "Cargo.lock" {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(word) = MACHINES.iter().find(|word| line.contains(*word)) {
            violations.push(Violation::new(path, index + 1, format!("`{word}`: names somebody's machine")));
        }
        if let Some(word) = TASKS.iter().find(|word| has_task(line, word)) {
            violations.push(Violation::new(path, index + 1, format!("{word} without an owner: `{word}(name): …`")));
        }
    }
    violations
}

fn has_task(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let letter = |outer: Option<char>| outer.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !(letter(before) || letter(after) || after == Some('('))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_found_in_any_file() {
        for word in MACHINES {
            let found = check("docs/a.md", &format!("A line.\nSee {word}a here.\n"));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2);
        }
        assert!(check("docs/a.md", "the library works in a temporary directory").is_empty());
    }

    #[test]
    fn a_task_needs_an_owner() {
        for word in TASKS {
            assert_eq!(check("src/a.rs", &format!("// {word}: later")).len(), 1, "{word}");
            assert!(check("src/a.rs", &format!("// {word}(ada): later")).is_empty(), "{word}");
            assert!(check("src/a.rs", &format!("{word}S, a{word}")).is_empty(), "{word}");
        }
    }
}
