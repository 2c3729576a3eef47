//! JUnit, as machines that count tests read it: a suite of all runs, a case per run.
//!
//! What must hold: only a pass is a case without a child. Unsupported is skipped; inconclusive is an error, not a
//! failure: nothing was shown to be wrong.

use super::{Report, Verdict, escape};
use std::fmt::Write;

/// The document.
pub fn junit(reports: &[Report]) -> String {
    let count = |verdict| reports.iter().filter(|report| report.verdict == verdict).count();
    let time: u64 = reports.iter().map(|report| report.took_ms).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"chaos\" tests=\"{}\" failures=\"{}\" \
         errors=\"{}\" skipped=\"{}\" time=\"{}\">\n",
        reports.len(),
        count(Verdict::Violated),
        count(Verdict::Inconclusive),
        count(Verdict::Unsupported),
        seconds(time),
    );
    for report in reports {
        let (name, time) = (escape(&report.name), seconds(report.took_ms));
        let reasons = escape(&report.reasons.join("\n"));
        let first = escape(report.reasons.first().map_or("", String::as_str));
        let repeat = escape(&report.command);
        let child = match report.verdict {
            Verdict::Pass => String::new(),
            Verdict::Violated => format!("    <failure message=\"{first}\">{reasons}\n{repeat}</failure>\n"),
            Verdict::Inconclusive => format!("    <error message=\"{first}\">{reasons}\n{repeat}</error>\n"),
            Verdict::Unsupported => format!("    <skipped message=\"{first}\"/>\n"),
        };
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "  <testcase classname=\"chaos\" name=\"{name}\" time=\"{time}\">\n{child}  </testcase>");
    }
    text.push_str("</testsuite>\n");
    text
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_its_child() {
        let of = |verdict, child: &str| {
            let text = junit(&[Report { verdict, reasons: vec!["a < b".to_owned()], ..super::super::example() }]);
            assert_eq!(text.matches(child).count(), 1, "{text}");
            text
        };
        assert!(of(Verdict::Violated, "<failure message=\"a &lt; b\">").contains("failures=\"1\" errors=\"0\""));
        assert!(of(Verdict::Inconclusive, "<error message").contains("errors=\"1\""));
        assert!(of(Verdict::Unsupported, "<skipped message").contains("skipped=\"1\""));
        let text = of(Verdict::Pass, "<testcase");
        assert!(!["<failure", "<error", "<skipped"].iter().any(|child| text.contains(child)));
    }
}
