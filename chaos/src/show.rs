//! `chaos list`, `validate` and `report`: what needs no cluster.

use crate::report::{Report, junit, table};
use crate::scenario::Scenario;
use crate::scenario::catalogue::built_in;
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// Options of `chaos list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Options of `chaos validate`.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Scenario files
    files: Vec<PathBuf>,
}

/// Options of `chaos report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Directories of runs, or directories of such
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Also write JUnit of all of them here
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Lists; the exit code.
pub fn list(args: &ListArgs) -> u8 {
    let scenarios = match built_in() {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("chaos list: {error:#}");
            return 2;
        }
    };
    if args.json {
        let document: serde_json::Map<_, _> = scenarios
            .iter()
            .map(|named| (named.name.clone(), serde_json::to_value(&named.scenario).unwrap_or_default()))
            .collect();
        println!("{:#}", serde_json::Value::Object(document));
        return 0;
    }
    for named in scenarios {
        let scenario = named.scenario;
        let words = |values: Vec<serde_json::Value>| {
            values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect::<Vec<_>>().join(", ")
        };
        let needs = words(scenario.requires.iter().filter_map(|need| serde_json::to_value(need).ok()).collect());
        let sets = words(scenario.sets.iter().filter_map(|set| serde_json::to_value(set).ok()).collect());
        let set = if sets.is_empty() { String::new() } else { format!(", in {sets}") };
        println!("{:<22} {}", named.name, scenario.title);
        println!("{:<22} {} s, needs {needs}{set}", "", scenario.load.duration_ms / 1000);
    }
    0
}

/// Validates; the exit code.
pub fn validate(args: &ValidateArgs) -> u8 {
    if args.files.is_empty() {
        return match built_in() {
            Ok(scenarios) => {
                println!("{} scenarios are valid", scenarios.len());
                0
            }
            Err(error) => {
                eprintln!("{error:#}");
                2
            }
        };
    }
    let mut code = 0;
    for file in &args.files {
        match Scenario::read(file) {
            Ok(scenario) => println!("{}: valid: {}", file.display(), scenario.title),
            Err(error) => {
                eprintln!("{error:#}");
                code = 2;
            }
        }
    }
    code
}

/// Renders again; the exit code.
pub fn report(args: &ReportArgs) -> u8 {
    match report_all(args) {
        Ok(reports) => {
            print!("{}", table(&reports));
            0
        }
        Err(error) => {
            eprintln!("chaos report: {error:#}");
            2
        }
    }
}

fn report_all(args: &ReportArgs) -> Result<Vec<Report>> {
    let mut dirs = Vec::new();
    for dir in &args.dirs {
        if dir.join("report.json").is_file() {
            dirs.push(dir.clone());
            continue;
        }
        let inner = std::fs::read_dir(dir)?.flatten().map(|entry| entry.path());
        let mut inner: Vec<_> = inner.filter(|path| path.join("report.json").is_file()).collect();
        ensure!(!inner.is_empty(), "{} has no report.json, nor has a directory in it", dir.display());
        inner.sort();
        dirs.append(&mut inner);
    }
    let mut reports = Vec::new();
    for dir in dirs {
        let report = Report::read(&dir)?;
        report.write(&dir)?;
        reports.push(report);
    }
    if let Some(path) = &args.junit {
        std::fs::write(path, junit(&reports))?;
    }
    Ok(reports)
}
