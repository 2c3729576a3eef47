//! Words that may not stand in code: floats near money, other rooms' libraries, calls that round, wait, print or panic.
//!
//! **What must hold.** Comments and quoted text never count. A rule with an excuse is lifted by a comment of that kind
//! with a reason (`// Infallible: the length was checked above.`) on the same line or right above.

use crate::source::{Line, Source, Violation, in_tests_dir};

/// Where code lies, as far as the rules care.
struct Place<'a> {
    path: &'a str,
    test: bool,
}

impl Place<'_> {
    fn within(&self, rooms: &[&str]) -> bool {
        rooms.iter().any(|room| self.path.starts_with(room))
    }

    /// The composition and CLI: files of `src` that are in no nested room.
    fn is_root_src(&self) -> bool {
        self.path.starts_with("src/") && !self.within(&["src/ledger/", "src/standin/", "src/gateway/"])
    }

    fn is_metrics(&self) -> bool {
        self.path.ends_with("/metrics.rs")
    }
}

struct Rule {
    /// Parts of a line. A pattern that begins or ends with a word character matches whole words only.
    patterns: &'static [&'static str],
    applies: fn(&Place<'_>) -> bool,
    /// Kinds of comment that lift it.
    excuses: &'static [&'static str],
    why: &'static str,
}

const RULES: [Rule; 12] = [
    Rule {
        patterns: &["openraft", "sled"],
        applies: |place| !place.path.starts_with("cluster/"),
        excuses: &[],
        why: "consensus and database stay inside cluster",
    },
    Rule {
        patterns: &["hyper", "hyper_util", "http_body_util"],
        applies: |place| !(place.within(&["src/gateway/", "src/admin/", "tls/"]) || place.path == "src/admin.rs"),
        excuses: &[],
        why: "hyper stays inside gateway, admin and tls",
    },
    Rule {
        patterns: &["bincode"],
        applies: |place| !(place.path.ends_with("/codec.rs") || place.path.contains("/codec/")),
        excuses: &[],
        why: "the encoding library is named only in a codec file",
    },
    Rule {
        patterns: &["Decimal::from_str(", "from_scientific", "parse::<Decimal>"],
        applies: |_| true,
        excuses: &[],
        why: "rounds silently past 28 digits: use from_str_exact",
    },
    Rule {
        patterns: &["HashMap", "HashSet", "Instant::now", "SystemTime"],
        applies: |place| place.within(&["src/ledger/"]),
        excuses: &[],
        why: "the ledger has no hash-map order and no clock",
    },
    Rule {
        patterns: &["#[ignore", "should_panic"],
        applies: |_| true,
        excuses: &[],
        why: "a test runs, and says what it expects",
    },
    Rule {
        patterns: &["thread::sleep", "time::sleep", "sleep(", "sleep_until("],
        applies: |place| in_tests_dir(place.path) || place.path.ends_with("_test.rs"),
        excuses: &["Poll", "Paused"],
        why: "wait for a condition with a bound; the pause between two looks says `// Poll: …`, paused time `// Paused: …`",
    },
    Rule {
        patterns: &["todo!", "unimplemented!", "dbg!"],
        applies: |_| true,
        excuses: &[],
        why: "unfinished or left over",
    },
    Rule {
        patterns: &["println!", "eprintln!", "print!", "eprint!"],
        applies: |place| {
            let talks = place.is_root_src() || place.path.starts_with("chaos/") || place.path.ends_with("/build.rs");
            !(place.test || talks)
        },
        excuses: &[],
        why: "only the command lines print; elsewhere use tracing",
    },
    Rule {
        patterns: &["unbounded_channel", "UnboundedSender"],
        applies: |_| true,
        excuses: &[],
        why: "every queue has a bound",
    },
    Rule {
        // The standard library's, which has no bound. In a test it is a list of what was seen.
        patterns: &["mpsc::channel()"],
        applies: |place| !place.test,
        excuses: &[],
        why: "every queue has a bound: use sync_channel",
    },
    Rule {
        patterns: &[".unwrap()", ".expect(", "unreachable!"],
        applies: |place| !place.test && place.within(&["src/ledger/", "src/gateway/", "src/standin/", "cluster/"]),
        excuses: &["Infallible"],
        why: "no panic that input could reach; if it cannot happen, say why: `// Infallible: …`",
    },
];

/// Checks one Rust file.
pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in source.numbered() {
        let place = Place { path: &source.path, test: line.test };
        for rule in RULES.iter().filter(|rule| (rule.applies)(&place)) {
            let Some(pattern) = rule.patterns.iter().find(|pattern| contains(&line.code, pattern)) else {
                continue;
            };
            if rule.excuses.iter().any(|word| source.excused(number, word)) {
                continue;
            }
            violations.push(source.violation(number, format!("`{pattern}`: {}", rule.why)));
        }
        if float_free(&place) && has_float(line) {
            violations.push(source.violation(number, "float: money and what decides over it are integers"));
        }
    }
    violations
}

fn float_free(place: &Place<'_>) -> bool {
    place.within(&["src/ledger/", "src/standin/", "src/gateway/"]) && !place.is_metrics()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn contains(code: &str, pattern: &str) -> bool {
    let (first, last) = (pattern.chars().next(), pattern.chars().next_back());
    code.match_indices(pattern).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + pattern.len()..].chars().next();
        let joined =
            |inner: Option<char>, outer: Option<char>| inner.is_some_and(is_word) && outer.is_some_and(is_word);
        !joined(first, before) && !joined(last, after)
    })
}

/// `f64`, `as_secs_f64`, `1f32`, `1e5`, `1.5`; not `0x1e5`, `pair.0.1`, `0..5`.
fn has_float(line: &Line) -> bool {
    let code = &line.code;
    let mut before = None;
    for (at, word) in words(code) {
        let number = word.starts_with(|first: char| first.is_ascii_digit()) && !word.starts_with("0x");
        let named = word == "f32" || word == "f64" || word.ends_with("_f32") || word.ends_with("_f64");
        let suffixed = number && (word.ends_with("f32") || word.ends_with("f64"));
        let exponent = number && word.contains('e') && word.chars().all(|c| c.is_ascii_digit() || "e_".contains(c));
        let mut rest = code[at + word.len()..].chars();
        let point = rest.next() == Some('.') && rest.next().is_some_and(|next| next.is_ascii_digit());
        let field = before.is_some_and(|end: usize| end + 1 == at) && code[..at].ends_with('.');
        if named || suffixed || exponent || (number && point && !field && !code[..at].ends_with('.')) {
            return true;
        }
        before = Some(at + word.len());
    }
    false
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        rest = end;
        Some((start, &code[start..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(Violation::to_string).collect()
    }

    #[test]
    fn floats_near_money_are_found() {
        for text in ["let a: f64 = x;", "t.as_secs_f64()", "let a = 1.5;", "let a = 1f32;", "let a = 2e3;"] {
            assert_eq!(found("src/ledger/a.rs", text).len(), 1, "{text}");
        }
        for text in ["0x1e5", "pair.0.1", "0..5", "\"1.5\"", "// 1.5", "1_000", "a1.5", "x[0].0"] {
            assert!(found("src/ledger/a.rs", text).is_empty(), "{text}");
        }
        assert!(found("src/gateway/metrics.rs", "let a = 1.5;").is_empty());
        assert!(found("chaos/src/a.rs", "let a = 1.5;").is_empty());
    }

    #[test]
    fn a_planted_word_is_found_in_its_room_only() {
        // Path, line, how often it is wrong.
        let cases = [
            ("src/node.rs", "use openraft::Raft;", 1),
            ("src/node.rs", "// as openraft does it", 0),
            ("cluster/src/node.rs", "use openraft::Raft;", 0),
            ("src/standin/a.rs", "sled::open(dir)", 1),
            ("src/standin/a.rs", "let sledge = 1;", 0),
            ("src/node.rs", "use hyper::Request;", 1),
            ("src/admin.rs", "use hyper::Request;", 0),
            ("src/admin/probes.rs", "use hyper::Request;", 0),
            ("src/ledger/books.rs", "bincode::encode(a)", 1),
            ("src/ledger/codec.rs", "bincode::encode(a)", 0),
            ("src/gateway/money.rs", "Decimal::from_str(text)", 1),
            ("src/gateway/money.rs", "Decimal::from_str_exact(text)", 0),
            ("src/gateway/money.rs", "Decimal::from_scientific(text)", 1),
            ("src/ledger/a.rs", "use std::collections::HashMap;", 1),
            ("src/gateway/a.rs", "use std::collections::HashMap;", 0),
            ("src/ledger/a.rs", "Instant::now()", 1),
            ("tests/a.rs", "#[ignore = \"slow\"]", 1),
            ("tests/a.rs", "#[should_panic]", 1),
            ("tests/a.rs", "std::thread::sleep(a)", 1),
            ("cluster/src/log/a_test.rs", "tokio::time::sleep(a).await", 1),
            ("tests/a.rs", "std::thread::sleep(a); // Poll: until the port opens, 5 s at most.", 0),
            ("cluster/src/node.rs", "tokio::time::sleep(a).await", 0),
            ("src/node.rs", "todo!()", 1),
            ("src/node.rs", "dbg!(a)", 1),
            ("src/gateway/a.rs", "println!()", 1),
            ("src/ctl.rs", "println!()", 0),
            ("chaos/src/main.rs", "eprintln!()", 0),
            ("cluster/src/a.rs", "mpsc::unbounded_channel()", 1),
            ("cluster/src/a.rs", "a.unwrap()", 1),
            ("cluster/src/a.rs", "a.unwrap_or(b)", 0),
            ("cluster/src/a.rs", "// Infallible: checked above.\na.expect(b)", 0),
            ("cluster/src/a.rs", "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap() }\n}", 0),
            ("src/node.rs", "a.unwrap()", 0),
            ("cluster/src/a.rs", "let (a, b) = mpsc::channel();", 1),
            ("cluster/src/a.rs", "let (a, b) = mpsc::channel(16);", 0),
            ("src/gateway/money.rs", "text.parse::<Decimal>()", 1),
            ("src/gateway/tests/a.rs", "// Paused: no real time passes.\nsleep(a).await", 0),
        ];
        for (path, text, times) in cases {
            assert_eq!(found(path, text).len(), times, "{path}: {text}");
        }
    }

    #[test]
    fn a_violation_names_file_line_and_rule() {
        let found = found("src/node.rs", "//! A node.\n\nuse sled::Db;\n");
        assert_eq!(found, ["src/node.rs:3: `sled`: consensus and database stay inside cluster"]);
    }
}
