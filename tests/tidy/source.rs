//! One Rust file as the rules see it: its lines, its code without comments and quoted text, and which lines are tests.
//!
//! **What must hold.** Line numbers count from 1 and are those of the file. Code is test code if it lies under a
//! `tests` directory, in `*_test.rs` or `tests.rs`, under `#[cfg(test)]`, or in a module declared so.

use crate::lexer::{self, Class};
use std::fmt;

/// A rule that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub path: String,
    pub line: usize,
    pub rule: String,
}

impl Violation {
    pub fn new(path: &str, line: usize, rule: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// A Rust file.
pub struct Source {
    pub path: String,
    pub lines: Vec<Line>,
}

/// A line of it.
pub struct Line {
    /// As it is written.
    pub raw: String,
    /// Comments and quoted text blanked out.
    pub code: String,
    /// Its width in characters, quoted text not counted: that cannot be broken.
    pub width: usize,
    /// Part of a test.
    pub test: bool,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let test = is_test_path(path);
        let lines = lines(text, test);
        let mut source = Source { path: path.to_owned(), lines };
        mark_test_items(&mut source.lines);
        source
    }

    /// Lines with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether this line, or the comment that ends on the line above it, gives the reason `// {word}: …`.
    pub fn excused(&self, number: usize, word: &str) -> bool {
        let reason = format!("// {word}: ");
        let index = number - 1;
        let above = self.lines[..index].iter().rev().take_while(|line| line.raw.trim_start().starts_with("//"));
        std::iter::once(&self.lines[index]).chain(above).any(|line| line.raw.contains(&reason))
    }

    pub fn violation(&self, line: usize, rule: impl Into<String>) -> Violation {
        Violation::new(&self.path, line, rule)
    }
}

fn lines(text: &str, test: bool) -> Vec<Line> {
    let classes = lexer::classify(text);
    let mut at = 0;
    let mut lines = Vec::new();
    for raw in text.split_inclusive('\n') {
        let classes = &classes[at..at + raw.len()];
        at += raw.len();
        let raw = raw.trim_end_matches(['\n', '\r']);
        let kept = |class: Class, character: char| if class == Class::Code { character } else { ' ' };
        let code = raw.char_indices().map(|(index, character)| kept(classes[index], character)).collect();
        let width = raw.char_indices().filter(|(index, _)| classes[*index] != Class::Quoted).count();
        lines.push(Line { raw: raw.to_owned(), code, width, test });
    }
    lines
}

/// Whether a whole file is test code by its place.
pub fn is_test_path(path: &str) -> bool {
    in_tests_dir(path) || path.ends_with("_test.rs") || path.ends_with("/tests.rs")
}

/// Whether a file lies under a directory named `tests`.
pub fn in_tests_dir(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/")
}

fn is_test_attribute(code: &str) -> bool {
    let code = code.trim_start();
    ["#[cfg(test)]", "#[cfg(any(test", "#[cfg(all(test"].iter().any(|start| code.starts_with(start))
}

/// Marks each item under `#[cfg(test)]`, to its closing brace or semicolon.
fn mark_test_items(lines: &mut [Line]) {
    let mut index = 0;
    while index < lines.len() {
        if !is_test_attribute(&lines[index].code) {
            index += 1;
            continue;
        }
        let end = item_end(lines, index);
        lines[index..=end].iter_mut().for_each(|line| line.test = true);
        index = end + 1;
    }
}

/// The last line of the item that begins at this line.
pub fn item_end(lines: &[Line], start: usize) -> usize {
    let (mut braces, mut others) = (0usize, 0usize);
    for (index, line) in lines.iter().enumerate().skip(start) {
        for character in line.code.chars() {
            match character {
                '(' | '[' => others += 1,
                ')' | ']' => others = others.saturating_sub(1),
                '{' => braces += 1,
                '}' if braces <= 1 && others == 0 => return index,
                '}' => braces = braces.saturating_sub(1),
                ';' if braces == 0 && others == 0 => return index,
                _ => {}
            }
        }
    }
    lines.len().saturating_sub(1)
}

/// Marks the files of modules that are declared under `#[cfg(test)]`, and what lies below them.
pub fn mark_test_modules(sources: &mut [Source]) {
    let declared: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in sources {
        let file = source.path.trim_end_matches(".rs");
        let below = |module: &String| file == module || file.starts_with(&format!("{module}/"));
        if declared.iter().any(below) {
            source.lines.iter_mut().for_each(|line| line.test = true);
        }
    }
}

/// The modules with files of their own that this file declares for tests, as paths without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let (dir, stem) = match source.path.rsplit_once('/') {
        Some((dir, name)) => (format!("{dir}/"), name.trim_end_matches(".rs")),
        None => (String::new(), source.path.trim_end_matches(".rs")),
    };
    let home = if ["lib", "main"].contains(&stem) { dir } else { format!("{dir}{stem}/") };
    let named = |line: &Line| {
        let words: Vec<&str> = line.code.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "mod")?;
        words.get(at + 1)?.strip_suffix(';').map(|name| format!("{home}{name}"))
    };
    source.lines.iter().filter(|line| line.test).filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_lines(source: &Source) -> Vec<usize> {
        source.numbered().filter(|(_, line)| line.test).map(|(number, _)| number).collect()
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(test_lines(&Source::new("src/ledger/a.rs", text)), [2, 3, 4, 5, 6]);
        assert_eq!(test_lines(&Source::new("src/ledger/tests/a.rs", "fn a() {}\n")), [1]);
        assert_eq!(test_lines(&Source::new("cluster/src/log/a_test.rs", "fn a() {}\n")), [1]);
        let text = "#[cfg(test)]\nuse a::{b, c};\nfn d() {}\n";
        assert_eq!(test_lines(&Source::new("a.rs", text)), [1, 2]);
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test() {
        let mut sources = [
            Source::new("cluster/src/store.rs", "#[cfg(test)]\npub(crate) mod sim;\nmod log;\n"),
            Source::new("cluster/src/store/sim.rs", "fn a() {}\n"),
            Source::new("cluster/src/store/sim/disk.rs", "fn a() {}\n"),
            Source::new("cluster/src/store/log.rs", "fn a() {}\n"),
        ];
        mark_test_modules(&mut sources);
        let tests: Vec<bool> = sources.iter().map(|source| source.lines.last().is_some_and(|line| line.test)).collect();
        assert_eq!(tests, [false, true, true, false]);
    }

    #[test]
    fn a_reason_stands_on_the_line_or_right_above() {
        let text = "// Infallible: two\n// lines.\na();\nb(); // Infallible: one.\nc();\n// Infallible: far.\n\nd();\n";
        let source = Source::new("a.rs", text);
        let excused: Vec<bool> = [3, 4, 5, 8].iter().map(|line| source.excused(*line, "Infallible")).collect();
        assert_eq!(excused, [true, true, false, false]);
    }
}
