//! Repository rules, as a test: what the compiler and the linter cannot refuse.
//!
//! **What lives here.** The run over the checked-out tree. The rules are in `tidy/`: which room may use which
//! (`arrows`), which words may stand in code (`calls`), where bugs on purpose may stand (`planted`), how files look
//! (`shape`), what no file may say (`words`). Each rule is a function of a path and a text, and is proven there by a
//! planted violation.
//!
//! **What must hold.** Every violation names its file, line and rule. Reads only.
//!
//! **What is not here.** What `rustfmt`, `clippy` and the type system already refuse.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/calls.rs"]
mod calls;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/planted.rs"]
mod planted;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use source::{Source, Violation};

#[test]
fn the_repository_is_tidy() {
    let files = tree::read();
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    let mut sources: Vec<Source> = rust.map(|file| Source::new(&file.path, &file.text)).collect();
    source::mark_test_modules(&mut sources);
    let missing = arrows::ROOMS.iter().find(|room| !files.iter().any(|file| file.path == room.manifest));
    assert!(missing.is_none(), "the walk missed a room: {missing:?}");

    let mut violations: Vec<Violation> = Vec::new();
    for file in &files {
        violations.extend(words::check(&file.path, &file.text));
        violations.extend(planted::check(&file.path, &file.text));
        violations.extend(shape::check_name(&file.path));
        if file.path.ends_with("Cargo.toml") {
            violations.extend(arrows::check(&file.path, &file.text));
        }
    }
    for source in &sources {
        violations.extend(calls::check(source));
        violations.extend(shape::check(source));
        if let Some(note) = shape::note(source) {
            println!("note: {note}");
        }
    }
    let report: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(report.is_empty(), "{} violations of repository rules:\n{}", report.len(), report.join("\n"));
}
