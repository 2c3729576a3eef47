//! How files look: their names, first lines, lengths and widths, and the length of functions.
//!
//! **What must hold.** A file over [`NOTE_LINES`] is noted, over [`FILE_LINES_MAX`] refused. Functions of the product
//! fit a screen; tests, which tell a story as data, may be longer.

use crate::source::{Line, Source, Violation, item_end};

/// From here on a file is worth a second look.
pub const NOTE_LINES: usize = 400;
/// No file is longer.
pub const FILE_LINES_MAX: usize = 700;
/// One screen.
const FUNCTION_LINES_MAX: usize = 70;
/// As rustfmt.toml says.
const COLUMNS_MAX: usize = 120;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["mod", "util", "utils", "common", "helper", "helpers", "manager"];

/// Checks one Rust file.
pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !source.lines.first().is_some_and(|line| line.raw.starts_with("//!")) {
        violations
            .push(source.violation(1, "does not open with `//!`: what lives here, what must hold, what is not here"));
    }
    let length = source.lines.len();
    if length > FILE_LINES_MAX {
        violations.push(source.violation(length, format!("{length} lines, the most is {FILE_LINES_MAX}")));
    }
    for (number, line) in source.numbered() {
        if line.width > COLUMNS_MAX {
            let rule = format!("{} columns without quoted text, the most is {COLUMNS_MAX}", line.width);
            violations.push(source.violation(number, rule));
        }
        if !line.test && is_function(line) {
            let length = item_end(&source.lines, number - 1) + 2 - number;
            if length > FUNCTION_LINES_MAX {
                let rule = format!("a function of {length} lines, the most is {FUNCTION_LINES_MAX}");
                violations.push(source.violation(number, rule));
            }
        }
    }
    violations
}

/// What is said of a file that is worth a second look.
pub fn note(source: &Source) -> Option<String> {
    let length = source.lines.len();
    (length > NOTE_LINES).then(|| format!("{}: {length} lines, worth a second look", source.path))
}

/// Checks the name of any file.
pub fn check_name(path: &str) -> Option<Violation> {
    let stems = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let empty = stems.into_iter().find(|stem| EMPTY_NAMES.contains(stem))?;
    Some(Violation::new(path, 1, format!("`{empty}` names nothing: say what is inside (and `foo.rs` beside `foo/`)")))
}

/// Whether a line begins a function: `fn` after nothing but what may stand before it.
fn is_function(line: &Line) -> bool {
    let mut words = line.code.split_whitespace();
    words.find(|word| !(["const", "async", "extern"].contains(word) || word.starts_with("pub"))) == Some("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(Violation::to_string).collect()
    }

    fn function(lines: usize) -> String {
        format!("//! A file.\n    pub async fn a(b: [u8; 4]) -> C {{\n{}    }}\n", "        d();\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(found("a.rs", "use b;\n").len(), 1);
        assert_eq!(found("a.rs", "").len(), 1);
        assert!(found("a.rs", "//! A file.\n").is_empty());
    }

    #[test]
    fn a_long_file_is_noted_and_a_longer_one_refused() {
        let text = |lines: usize| format!("//! A file.\n{}", "// A line.\n".repeat(lines - 1));
        assert!(note(&Source::new("a.rs", &text(NOTE_LINES))).is_none());
        assert!(note(&Source::new("a.rs", &text(NOTE_LINES + 1))).is_some());
        assert!(found("a.rs", &text(FILE_LINES_MAX)).is_empty());
        assert_eq!(found("a.rs", &text(FILE_LINES_MAX + 1)), ["a.rs:701: 701 lines, the most is 700"]);
    }

    #[test]
    fn a_long_function_is_found_outside_of_tests() {
        assert!(found("src/a.rs", &function(70)).is_empty());
        assert_eq!(found("src/a.rs", &function(71)), ["src/a.rs:2: a function of 71 lines, the most is 70"]);
        assert!(found("tests/a.rs", &function(71)).is_empty());
    }

    #[test]
    fn a_wide_line_is_found_unless_a_string_makes_it_so() {
        let wide = |inside: &str| format!("//! A file.\nlet a = {inside};\n");
        assert_eq!(found("a.rs", &wide(&"b".repeat(120))).len(), 1);
        assert!(found("a.rs", &wide(&format!("\"{}\"", "b".repeat(120)))).is_empty());
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for path in ["src/gateway/mod.rs", "cluster/src/utils/time.rs", "tests/common.rs", "chaos/src/manager.rs"] {
            assert!(check_name(path).is_some(), "{path}");
        }
        for path in ["src/gateway/model.rs", "docs/common-questions.md", "helm/templates/_pod.tpl"] {
            assert!(check_name(path).is_none(), "{path}");
        }
    }
}
