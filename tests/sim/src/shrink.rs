//! The fewest faults with which a seed fails: first the shortest prefix, then without each that is not needed.

use crate::{One, many};
use std::process::ExitCode;

/// More faults than a plan ever has.
const FAULTS_MAX: usize = 1_024;

/// Prints the shortest run that still fails. Exit 1 if there is one, 0 if the seed does not fail at all.
pub fn run(one: One) -> ExitCode {
    match shrink(one) {
        Ok(Some((shortest, text))) => {
            println!("{text}\n  shortest: sim run {}", shortest.arguments().join(" "));
            ExitCode::from(1)
        }
        Ok(None) => {
            println!("does not fail");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn shrink(one: One) -> std::io::Result<Option<(One, String)>> {
    let said = many::one(&one)?;
    if said.passed {
        return Ok(None);
    }
    let (mut shortest, mut text) = (one, said.text);
    let mut try_it = |candidate: One, shortest: &mut One| -> std::io::Result<bool> {
        let said = many::one(&candidate)?;
        if !said.passed {
            (*shortest, text) = (candidate, said.text);
        }
        Ok(!said.passed)
    };
    // A shorter prefix need not fail because a longer one does: what was seen to fail is kept.
    let (mut passes, mut fails) = (0, shortest.first.unwrap_or(FAULTS_MAX));
    let none = One { first: Some(0), ..shortest.clone() };
    if try_it(none, &mut shortest)? {
        fails = 0;
    }
    while fails > passes + 1 {
        let middle = usize::midpoint(passes, fails);
        let candidate = One { first: Some(middle), ..shortest.clone() };
        if try_it(candidate, &mut shortest)? { fails = middle } else { passes = middle }
    }
    for number in (0..fails).rev() {
        let mut candidate = shortest.clone();
        candidate.without.push(number);
        candidate.without.sort_unstable();
        candidate.without.dedup();
        try_it(candidate, &mut shortest)?;
    }
    Ok(Some((shortest, text)))
}
