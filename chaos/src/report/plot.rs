//! Plots as inline SVG: a band of time, faults shaded, lines above it.
//!
//! What must hold: integers only, and nothing is drawn outside its frame. Latency is drawn on a scale of powers, as
//! one that doubles: a fail-over and the ordinary are both to be seen.

use super::{Report, escape};
use crate::run::series::{Point, STEP_MS};
use std::fmt::Write;

const WIDTH: u64 = 960;
const HEIGHT: u64 = 150;
/// Left of the frame, for the scale.
const LEFT: u64 = 60;
/// Above it, for the title.
const TOP: u64 = 22;
/// Latency is drawn from 256 us up to 4.2 s.
const LOG_FIRST: u32 = 8;
const LOG_LAST: u32 = 22;

/// One line or bar of a plot: its colour, its name, its value at a point.
type Trace = (&'static str, &'static str, fn(&Point) -> u64);

const OUTCOMES: [Trace; 5] = [
    ("#2a7a3b", "decided in time", |point| point.decided),
    ("#b8860b", "stand-in", |point| point.stand_in),
    ("#7a5ea8", "undecided", |point| point.undecided),
    ("#d2691e", "late", |point| point.late),
    ("#b22222", "failed", |point| point.failed),
];
const LATENCIES: [Trace; 2] = [("#1f5fa8", "p50", |point| point.p50_us), ("#b22222", "p99", |point| point.p99_us)];

/// A frame over the time of a run.
struct Frame {
    end_ms: u64,
    text: String,
}

impl Frame {
    fn new(report: &Report, title: &str) -> Frame {
        let end_ms = report.series.last().map_or(STEP_MS, |point| point.at_ms + STEP_MS);
        let mut frame = Frame { end_ms, text: String::new() };
        let (whole, bottom) = (WIDTH + LEFT + 10, TOP + HEIGHT + 20);
        frame.put(format!("<svg viewBox=\"0 0 {whole} {bottom}\" role=\"img\" aria-label=\"{}\">", escape(title)));
        frame.put(format!("<text x=\"{LEFT}\" y=\"14\" class=\"t\">{}</text>", escape(title)));
        for step in &report.steps {
            let (from, to) = (frame.x(step.began_ms), frame.x(step.ended_ms));
            let width = (to - from).max(2);
            let what = escape(&format!("{} on {} (nodes {:?})", step.fault, step.on, step.nodes));
            frame.put(format!(
                "<rect x=\"{from}\" y=\"{TOP}\" width=\"{width}\" height=\"{HEIGHT}\" class=\"f\"><title>{what}</title></rect>"
            ));
        }
        frame.put(format!("<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" class=\"b\"/>"));
        let seconds = end_ms / 1000;
        for second in (0..=seconds).filter(|second| second % (seconds / 12).max(1) == 0) {
            let (x, y) = (frame.x(second * 1000), TOP + HEIGHT + 14);
            frame.put(format!("<text x=\"{x}\" y=\"{y}\" class=\"s\">{second} s</text>"));
        }
        frame
    }

    fn x(&self, at_ms: u64) -> u64 {
        LEFT + at_ms.min(self.end_ms) * WIDTH / self.end_ms.max(1)
    }

    fn put(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    fn scale(&mut self, height: u64, label: &str) {
        let y = TOP + HEIGHT - height;
        self.put(format!("<text x=\"2\" y=\"{}\" class=\"s\">{}</text>", y + 4, escape(label)));
        self.put(format!("<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" class=\"g\"/>", LEFT + WIDTH));
    }

    fn end(mut self) -> String {
        self.put("</svg>");
        self.text
    }
}

fn legend(traces: &[Trace]) -> String {
    let mut text = String::from("<p class=\"l\">");
    for (colour, name, _) in traces {
        // Writing to a string does not fail.
        let _ = write!(text, "<span style=\"color:{colour}\">&#9632; {name}</span> ");
    }
    text.push_str("<span class=\"fl\">&#9632; fault</span></p>");
    text
}

/// Requests per second, by what became of them.
pub fn outcomes(report: &Report) -> String {
    let total = |point: &Point| OUTCOMES.iter().map(|(_, _, of)| of(point)).sum::<u64>();
    let most = report.series.iter().map(total).max().unwrap_or(0).max(1);
    let mut frame = Frame::new(report, "requests per second, by outcome");
    for share in [1, 2] {
        frame.scale(HEIGHT * share / 2, &(most * share / 2 * 1000 / STEP_MS).to_string());
    }
    for point in &report.series {
        let (from, to) = (frame.x(point.at_ms), frame.x(point.at_ms + STEP_MS));
        let mut below = 0;
        for (colour, _, of) in OUTCOMES {
            let (low, high) = (below * HEIGHT / most, (below + of(point)) * HEIGHT / most);
            below += of(point);
            if high > low {
                let (y, width) = (TOP + HEIGHT - high, to - from);
                frame.put(format!(
                    "<rect x=\"{from}\" y=\"{y}\" width=\"{width}\" height=\"{}\" fill=\"{colour}\"/>",
                    high - low
                ));
            }
        }
    }
    frame.end() + &legend(&OUTCOMES)
}

/// Percentiles of the time from the first attempt to the answer.
pub fn latencies(report: &Report) -> String {
    let mut frame = Frame::new(report, "time to the answer (doubling scale)");
    for power in (LOG_FIRST..=LOG_LAST).step_by(2) {
        let us = 1u64 << power;
        let label = if us < 1000 { format!("{us} us") } else { format!("{} ms", us / 1000) };
        frame.scale(height(us), &label);
    }
    for (colour, _, of) in LATENCIES {
        let mut line = String::new();
        for point in report.series.iter().filter(|point| of(point) > 0) {
            // Writing to a string does not fail.
            let _ = write!(line, "{},{} ", frame.x(point.at_ms + STEP_MS / 2), TOP + HEIGHT - height(of(point)));
        }
        frame.put(format!("<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"));
    }
    frame.end() + &legend(&LATENCIES)
}

/// On the doubling scale: the power of two below, and the part of the way to the next.
fn height(us: u64) -> u64 {
    let us = us.clamp(1 << LOG_FIRST, 1 << LOG_LAST);
    let power = us.ilog2();
    let part = ((us - (1 << power)) * 1000) >> power;
    (u64::from(power - LOG_FIRST) * 1000 + part) * HEIGHT / (u64::from(LOG_LAST - LOG_FIRST) * 1000)
}

/// Who led, who was silent, whose breaker was open: a row per node.
pub fn nodes(report: &Report) -> String {
    let mut nodes: Vec<u64> = report.changes.iter().map(|change| change.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let mut frame = Frame::new(report, "nodes: leader, breaker, silence");
    let row = HEIGHT / (nodes.len() as u64).max(1);
    for (place, node) in nodes.into_iter().enumerate() {
        let y = TOP + place as u64 * row;
        frame.put(format!("<text x=\"2\" y=\"{}\" class=\"s\">node {node}</text>", y + row / 2 + 4));
        let mine: Vec<_> = report.changes.iter().filter(|change| change.node == node).collect();
        for (place, change) in mine.iter().enumerate() {
            let end = mine.get(place + 1).map_or(frame.end_ms, |next| next.at_ms);
            let (from, to) = (frame.x(change.at_ms), frame.x(end));
            let (colour, what) = match change.said {
                None => ("#999999", "silent".to_owned()),
                Some(said) if said.breaker == 2 => ("#b22222", format!("breaker open, term {}", said.term)),
                Some(said) if said.breaker == 1 => ("#d2691e", format!("breaker half open, term {}", said.term)),
                Some(said) if said.leads => ("#1f5fa8", format!("leads in term {}", said.term)),
                Some(said) if said.leader == 0 => ("#e0c060", format!("knows no leader, term {}", said.term)),
                Some(said) => ("#cfe0cf", format!("follows node {} in term {}", said.leader, said.term)),
            };
            let (width, high) = (to.saturating_sub(from).max(1), row.saturating_sub(4));
            frame.put(format!(
                "<rect x=\"{from}\" y=\"{}\" width=\"{width}\" height=\"{high}\" fill=\"{colour}\" fill-opacity=\"0.8\">\
                 <title>{what}</title></rect>",
                y + 2
            ));
        }
    }
    frame.end()
        + "<p class=\"l\"><span style=\"color:#1f5fa8\">&#9632; leads</span> <span style=\"color:#8fb08f\">&#9632; \
           follows</span> <span style=\"color:#b08f20\">&#9632; knows no leader</span> <span style=\"color:#b22222\">\
           &#9632; breaker open</span> <span style=\"color:#999\">&#9632; silent</span></p>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_doubles_and_stays_in_its_frame() {
        assert_eq!((height(0), height(256), height(1 << 22), height(u64::MAX)), (0, 0, HEIGHT, HEIGHT));
        assert_eq!(height(1 << 15), HEIGHT / 2);
        assert!((1..40_000_000u64).step_by(977).all(|us| height(us) <= height(us + 977)));
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let report = super::super::example();
        let frame = Frame::new(&report, "t");
        assert_eq!((frame.x(0), frame.x(u64::MAX)), (LEFT, LEFT + WIDTH));
        assert!(outcomes(&report).contains("class=\"f\""), "the fault is shaded");
        assert_eq!(latencies(&report).matches("<polyline").count(), 2);
    }
}
