//! Which bytes of a Rust file are code, which are comment, which stand inside quotes.
//!
//! **What must hold.** The answer has one class per byte, and line ends are always code, so that line numbers stay
//! right. Any input gets an answer: what is not closed goes on to the end.
//!
//! **What is not here.** Tokens. The rules look at lines and words, which is enough for them.

/// What a byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Code,
    Comment,
    /// Inside a string or character literal, quotes excluded.
    Quoted,
}

/// One class per byte of `text`.
pub fn classify(text: &str) -> Vec<Class> {
    let bytes = text.as_bytes();
    let mut classes = vec![Class::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let (end, inner, class) = token(bytes, at);
        for index in inner.0..inner.1 {
            if bytes[index] != b'\n' {
                classes[index] = class;
            }
        }
        at = end;
    }
    classes
}

/// Where the token at `at` ends, which part of it is not code, and what that part is.
fn token(bytes: &[u8], at: usize) -> (usize, (usize, usize), Class) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = find(bytes, at, b"\n").unwrap_or(bytes.len());
        return (end, (at, end), Class::Comment);
    }
    if rest.starts_with(b"/*") {
        let end = block_comment_end(bytes, at);
        return (end, (at, end), Class::Comment);
    }
    let inside_word = at > 0 && is_word(bytes[at - 1]);
    if !inside_word && let Some((open, hashes)) = raw_string(rest) {
        let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
        let inner = at + open;
        let end = find(bytes, inner, &close).unwrap_or(bytes.len());
        return ((end + close.len()).min(bytes.len()), (inner, end), Class::Quoted);
    }
    match rest[0] {
        b'"' => quoted(bytes, at, b'"'),
        b'\'' if is_character(rest) => quoted(bytes, at, b'\''),
        _ => (at + 1, (at, at), Class::Code),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes[from..].windows(what.len()).position(|window| window == what).map(|offset| from + offset)
}

/// Block comments nest.
fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0usize;
    let mut at = at;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// `r"`, `br#"`, `cr##"` and so on: length of the opening, and how many hashes close it.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = [b"r".as_slice(), b"br", b"cr"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix) && matches!(rest.get(prefix.len()), Some(b'#' | b'"')))?;
    let hashes = rest[prefix.len()..].iter().take_while(|byte| **byte == b'#').count();
    (rest.get(prefix.len() + hashes) == Some(&b'"')).then_some((prefix.len() + hashes + 1, hashes))
}

/// A quote begins a character and not a lifetime if it closes after one character or an escape.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) => {
            let length = match first {
                0xF0.. => 4,
                0xE0.. => 3,
                0xC0.. => 2,
                _ => 1,
            };
            rest.get(1 + length) == Some(&b'\'')
        }
        None => false,
    }
}

fn quoted(bytes: &[u8], at: usize, quote: u8) -> (usize, (usize, usize), Class) {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(bytes.len());
    ((end + 1).min(bytes.len()), (at + 1, end), Class::Quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with comments as `c` and quoted bytes as `q`.
    fn shown(text: &str) -> String {
        let letter = |(byte, class): (u8, Class)| match class {
            Class::Code => byte as char,
            Class::Comment => 'c',
            Class::Quoted => 'q',
        };
        text.bytes().zip(classify(text)).map(letter).collect()
    }

    #[test]
    fn comments_and_quotes_are_told_from_code() {
        let cases = [
            ("a // b\nc", "a cccc\nc"),
            ("a /* /* b */ */ c", "a ccccccccccccc c"),
            (r#"f("a // b", 1)"#, r#"f("qqqqqq", 1)"#),
            (r#""a\"b" c"#, r#""qqqq" c"#),
            ("r#\"a\"b\"# c", "r#\"qqq\"# c"),
            ("br\"a\\\" c", "br\"qq\" c"),
            ("'a' 'static '\\'' b", "'q' 'static 'qq' b"),
            ("for \"a", "for \"q"),
            ("\"a\nb\" c", "\"q\nq\" c"),
            ("r#type", "r#type"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_ends_with_the_file() {
        for text in ["/* a", "\"a\\", "'\\", "r##\"a\"#", "'", "b"] {
            assert_eq!(classify(text).len(), text.len());
        }
    }
}
