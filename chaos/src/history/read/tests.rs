//! Histories as text: what is read, and what is refused.

use super::{Heard, History, HistoryError};
use crate::history::{Answer, Begin, Line, Lost, Phase, Recorder, Task, VERSION, Writer};
use std::path::Path;

fn begin() -> Begin {
    let nodes = vec!["a:1".to_owned()];
    Begin { version: VERSION, seed: 7, unix_us: 1, currency: "USD".into(), nodes, deadline_us: 850_000, stand_in: None }
}

fn authorize(token: &str) -> Task {
    Task::Authorize { token: token.into(), account: "u".into(), amount: 5, transaction: None }
}

fn written(path: &Path, write: impl FnOnce(&Recorder)) -> History {
    let writer = Writer::of_lines(path, begin()).expect("a file");
    let recorder = writer.recorder();
    write(&recorder);
    drop(recorder);
    writer.finish().expect("written");
    History::read(path).expect("a history")
}

#[test]
fn what_is_written_is_read_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let history = written(&directory.path().join("h.jsonl"), |recorder| {
        let first = recorder.invoke("a:1", authorize("t1"));
        let second = recorder.invoke("a:1", authorize("t1"));
        recorder.fault("kill", &["a:1".into()], Phase::Begin, true);
        let answer = Answer { status: Some(200), outcome: Some("decided".into()), ..Answer::default() };
        recorder.end(second, Heard::Ok, answer);
        recorder.invoke("a:1", Task::Read { account: "u".into() });
        recorder.end(first, Heard::Declined, Answer { status: Some(402), ..Answer::default() });
    });
    assert!(history.complete);
    assert_eq!(history.begin, begin());
    let heard: Vec<_> = history.ops.iter().map(|op| (op.id, op.heard, op.answer.status)).collect();
    assert_eq!(heard, [(0, Heard::Declined, Some(402)), (1, Heard::Ok, Some(200)), (2, Heard::Unknown, None)]);
    assert_eq!(history.ops[2].answer.lost, Some(Lost::Unfinished));
    assert!(history.ops.iter().all(|op| op.ended_us >= op.invoked_us));
    assert_eq!((history.faults.len(), history.faults[0].phase), (1, Phase::Begin));
}

#[test]
fn a_history_that_was_cut_off_is_told_from_a_whole_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("h.jsonl");
    written(&path, |recorder| {
        recorder.invoke("a:1", authorize("t1"));
    });
    let text = std::fs::read_to_string(&path).expect("text");
    let all_but_the_last: Vec<_> = text.lines().take(2).collect();
    std::fs::write(&path, all_but_the_last.join("\n")).expect("written");
    let history = History::read(&path).expect("a history");
    assert_eq!((history.complete, history.ops.len()), (false, 1));
}

#[test]
fn what_is_refused_is_named_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("h.jsonl");
    let first = serde_json::to_string(&Line::Begin(begin())).expect("JSON");
    let later = first.replace(r#""version":1"#, r#""version":2"#);
    let end = r#"{"event":"end","lines":1}"#;
    for (lines, line, why) in [
        (vec![], 1, "no line"),
        (vec![end], 1, "the first line"),
        (vec![&*later], 1, "version: 2"),
        (vec![&*first, &*first], 2, "the first line"),
        (vec![&*first, r#"{"event":"ok","at_us":1,"op":9}"#], 2, "op: 9 ends without"),
        (vec![&*first, r#"{"event":"end","lines":7}"#], 2, "lines: 7 were written, 1 are here"),
        (vec![&*first, end, end], 3, "follows the last line of the run"),
        (vec![&*first, r#"{"event":"guess"}"#], 2, "unknown variant"),
        (vec![&*first, r#"{"event":"invoke","at_us":1,"op":1,"node":"a"}"#], 2, "task"),
    ] {
        std::fs::write(&path, lines.join("\n")).expect("written");
        match History::read(&path) {
            Err(HistoryError::Malformed { line: at, why: said }) => {
                assert_eq!(at, line, "{lines:?}: {said}");
                assert!(said.contains(why), "{lines:?}: {said}");
            }
            other => panic!("{lines:?}: {other:?}"),
        }
    }
}
