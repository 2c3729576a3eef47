//! Many runs in one table of Markdown, for the terminal and for a file.

use super::Report;
use std::fmt::Write;

/// A line per run.
pub fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| scenario | verdict | faults | requests | in time | p50 ms | p99 ms | fail-over ms | recover ms | violations |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for report in reports {
        let figures = &report.figures;
        let violated = |outcome| outcome == crate::run::judge::Outcome::Violated;
        let violations = report.judgements.iter().filter(|judgement| violated(judgement.outcome)).count();
        let milliseconds = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} % | {} | {} | {} | {} | {} |",
            report.name,
            report.verdict.name(),
            report.steps.len(),
            figures.requests,
            percent(figures.in_time_ppm),
            tenths(figures.p50_us),
            tenths(figures.p99_us),
            milliseconds(figures.fail_over_ms),
            milliseconds(figures.recover_ms),
            violations,
        );
    }
    text
}

/// Parts of a million as percent with three digits.
pub fn percent(ppm: u64) -> String {
    format!("{}.{:03}", ppm / 10_000, ppm % 10_000 / 10)
}

/// Microseconds as milliseconds with one digit.
pub fn tenths(us: u64) -> String {
    format!("{}.{}", us / 1000, us % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_floats() {
        assert_eq!((percent(999_876), percent(1_000_000)), ("99.987".to_owned(), "100.000".to_owned()));
        assert_eq!((tenths(1_550), tenths(99)), ("1.5".to_owned(), "0.0".to_owned()));
    }

    #[test]
    fn a_run_is_a_line() {
        let text = table(&[super::super::example()]);
        assert!(text.ends_with("| kill-leader | violated | 1 | 100 | 0.000 % | 0.0 | 9.0 | - | - | 1 |\n"), "{text}");
    }
}
