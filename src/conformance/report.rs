//! What is printed: a line for each scenario, or one JSON document at the end.

use super::play::Difference;
use super::scenario::Scenario;
use crate::ctl::Failure;
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// What has come of it so far.
pub(super) struct Report<'a> {
    json: bool,
    out: &'a mut dyn Write,
    run: Option<u64>,
    started: Instant,
    ok: usize,
    failed: usize,
    rows: Vec<Value>,
}

impl<'a> Report<'a> {
    pub(super) fn new(json: bool, out: &'a mut dyn Write) -> Report<'a> {
        Report { json, out, run: None, started: Instant::now(), ok: 0, failed: 0, rows: Vec::new() }
    }

    pub(super) fn begin(&mut self, run: u64) {
        self.run = Some(run);
        self.started = Instant::now();
    }

    /// A scenario is over.
    pub(super) fn played(&mut self, scenario: &Scenario, played: Option<Difference>, took: Duration) {
        let (name, steps, ms) = (&scenario.name, scenario.steps.len(), took.as_millis());
        let mut row = json!({ "name": name, "ok": played.is_none(), "steps": steps, "took_ms": ms });
        match played {
            None => {
                self.ok += 1;
                self.line(&format!("ok      {name} ({steps} steps, {ms} ms)"));
            }
            Some(Difference { step, what, expected, got }) => {
                self.failed += 1;
                self.line(&format!("FAILED  {name}: {}", scenario.title));
                self.line(&format!("        step {step} of {steps}, {what}"));
                self.line(&format!("        expected  {expected}"));
                self.line(&format!("        got       {got}"));
                row["difference"] = json!({ "step": step, "what": what, "expected": expected, "got": got });
            }
        }
        self.rows.push(row);
    }

    /// The scenarios that there are.
    pub(super) fn list(&mut self, scenarios: &[Scenario]) {
        for scenario in scenarios {
            let Scenario { name, title, source, .. } = scenario;
            self.line(&format!("{name}\n        {title}\n        {source}"));
            self.rows.push(json!({ "name": name, "title": title, "source": source }));
        }
    }

    /// Everything was played; the exit code.
    pub(super) fn end(&mut self) -> u8 {
        if let Some(run) = self.run {
            let (all, ok, failed) = (self.ok + self.failed, self.ok, self.failed);
            let took = self.started.elapsed().as_millis();
            self.line(&format!(
                "{all} scenarios: {ok} ok, {failed} failed; {took} ms; run {:09x}",
                run & 0xf_ffff_ffff
            ));
        }
        if self.json {
            let document = json!({ "scenarios": self.rows, "ok": self.ok, "failed": self.failed });
            self.print(&format!("{document}\n"));
        }
        u8::from(self.failed > 0)
    }

    /// It could not be played to its end; the exit code.
    pub(super) fn broke_off(&mut self, failure: &Failure, err: &mut dyn Write) -> u8 {
        // If standard error is gone there is nobody left to tell; the exit code still says it.
        let _ = writeln!(err, "{}: {}", failure.kind(), failure.message());
        if self.json {
            self.print(&format!("{}\n", failure.json()));
        }
        failure.exit()
    }

    pub(super) fn print(&mut self, text: &str) {
        // Whoever does not read it still gets the exit code.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn line(&mut self, text: &str) {
        if !self.json {
            self.print(&format!("{text}\n"));
        }
    }
}
