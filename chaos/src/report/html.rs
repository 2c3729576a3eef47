//! The page for people: one file, no script, nothing fetched.

use super::table::{percent, tenths};
use super::{Report, escape, plot};
use crate::run::judge::Outcome;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;width:100%;margin:.5em 0 1.5em}td,th{text-align:left;padding:.3em .6em;border-bottom:1px \
solid #ddd;vertical-align:top}svg{width:100%;height:auto}code,pre{background:#f4f4f4;padding:.15em .3em;overflow-x:auto}\
.pass{color:#2a7a3b}.violated{color:#b22222}.inconclusive,.unknown{color:#b8860b}.unsupported{color:#666}\
.t{font-size:13px;font-weight:600}.s{font-size:11px;fill:#666}.f{fill:#f2c6a0;fill-opacity:.55}.b{fill:none;stroke:#999}\
.g{stroke:#eee}.l{font-size:13px;margin:.2em 0 1.2em 60px}.fl{color:#e0a070}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let verdict = report.verdict.name();
    let (name, title) = (escape(&report.name), escape(&report.title));
    let mut put = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    put(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}: {verdict}</title>\
         <style>{STYLE}</style></head><body>"
    ));
    put(format!(
        "<h1>{name}: <span class=\"{verdict}\">{verdict}</span></h1><p><b>{title}.</b> {}</p>",
        escape(&report.why)
    ));
    put(reasons(report));
    put(format!(
        "<p>Target: {}. Seed {}. Took {} s. Again:</p><pre>{}</pre>",
        escape(&report.target),
        report.seed,
        report.took_ms / 1000,
        escape(&report.command)
    ));
    put(figures(report));
    put(judgements(report));
    if !report.series.is_empty() {
        put(plot::outcomes(report));
        put(plot::latencies(report));
        put(plot::nodes(report));
    }
    put(steps(report));
    put(files(report));
    put("</body></html>".to_owned());
    page
}

fn reasons(report: &Report) -> String {
    let items: String = report.reasons.iter().map(|reason| format!("<li>{}</li>", escape(reason))).collect();
    if items.is_empty() { String::new() } else { format!("<ul class=\"{}\">{items}</ul>", report.verdict.name()) }
}

fn figures(report: &Report) -> String {
    let figures = &report.figures;
    let milliseconds = |value: Option<u64>| value.map_or_else(|| "never".to_owned(), |value| format!("{value} ms"));
    let rows = [
        ("requests", figures.requests.to_string()),
        ("answered in time", format!("{} %, within {} ms", percent(figures.in_time_ppm), report.deadline_ms)),
        ("decided by a quorum", format!("{} %", percent(figures.decided_ppm))),
        ("answered by a node alone", format!("{} %", percent(figures.stand_in_ppm))),
        (
            "p50, p99, longest",
            format!("{}, {}, {} ms", tenths(figures.p50_us), tenths(figures.p99_us), tenths(figures.max_us)),
        ),
        ("without any reply", figures.lost.to_string()),
        ("5xx", figures.server_errors.to_string()),
        ("service while a fault lasted, after", milliseconds(figures.fail_over_ms)),
        ("recovered after the last heal, after", milliseconds(figures.recover_ms)),
        ("leader changes", figures.leader_changes.to_string()),
    ];
    let rows: String =
        rows.iter().map(|(name, value)| format!("<tr><td>{name}</td><td>{}</td></tr>", escape(value))).collect();
    format!("<h2>What the clients saw</h2><table>{rows}</table>")
}

fn judgements(report: &Report) -> String {
    let mut rows = String::new();
    for judgement in &report.judgements {
        let (class, word) = match judgement.outcome {
            Outcome::Pass => ("pass", "pass"),
            Outcome::Violated => ("violated", "violated"),
            Outcome::Unknown => ("unknown", "cannot be told"),
        };
        let (name, wanted, got) = (escape(&judgement.name), escape(&judgement.wanted), escape(&judgement.got));
        // Writing to a string does not fail.
        let _ =
            write!(rows, "<tr><td>{name}</td><td>{wanted}</td><td>{got}</td><td class=\"{class}\">{word}</td></tr>");
    }
    format!(
        "<h2>Hypothesis and invariants</h2><table><tr><th></th><th>wanted</th><th>got</th><th></th></tr>{rows}</table>"
    )
}

fn steps(report: &Report) -> String {
    let mut rows = String::new();
    for step in &report.steps {
        let sign = |sign: &crate::nemesis::Sign| {
            let class = if sign.shows { "pass" } else { "violated" };
            format!("<div class=\"{class}\">{}</div>", escape(&sign.text))
        };
        let signs: String = step.signs.iter().map(sign).collect();
        // Writing to a string does not fail.
        let _ = write!(
            rows,
            "<tr><td>{} to {} ms</td><td>{}</td><td>{} (nodes {:?})</td><td>{signs}</td></tr>",
            step.began_ms,
            step.ended_ms,
            escape(&step.fault),
            escape(&step.on),
            step.nodes,
        );
    }
    format!("<h2>Faults, and the signs that they were there</h2><table>{rows}</table>")
}

fn files(report: &Report) -> String {
    let link = |name: &String| format!("<li><a href=\"{0}\">{0}</a></li>", escape(name));
    let items: String = report.files.iter().map(link).collect();
    if items.is_empty() { String::new() } else { format!("<h2>Kept</h2><ul>{items}</ul>") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_it_all_and_fetches_nothing() {
        let text = page(&super::super::example());
        for part in [
            "kill-leader: <span class=\"violated\">violated",
            "The &lt;leader&gt; dies",
            "wanted at most 5",
            "chaos run kill-leader --seed 7",
            "process 5 ended",
            "<svg",
            "node-1.log",
        ] {
            assert!(text.contains(part), "{part}");
        }
        for foreign in ["http://", "https://", "<script", "src="] {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }
}
