//! Measures the `mer` binary: start, runs, memory, throughput, each beside its comparison, in one run.
//!
//! `tests/bench/run` builds everything and calls this. Rounds of the contenders alternate, so that a machine that is
//! slow for a while is slow for all of them; medians are compared.

mod args;
mod cases;
mod child;
mod journal;
mod machine;
mod measure;
mod report;
mod sshd;
mod subject;
mod wire;

use std::{fs, process::ExitCode};

use args::Args;
use report::Report;
use subject::Bench;

/// An error is a sentence for the user of the benchmark.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(verdict) = child::run(&arguments) {
        return verdict;
    }
    match bench(&arguments) {
        Ok(all_held) => ExitCode::from(u8::from(!all_held)),
        Err(sentence) => {
            eprintln!("bench: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn bench(arguments: &[String]) -> Result<bool> {
    let args = Args::parse(arguments)?;
    let bench = Bench::set_up(&args)?;
    let mut report = Report::new(machine::describe(&bench)?);
    for (name, case) in cases::ALL {
        if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        eprintln!("bench: {name} …");
        match case(&bench) {
            Ok(rows) => report.rows.extend(rows),
            // A failed case does not stop the others.
            Err(sentence) => report.failed(name, &sentence),
        }
    }
    print!("{}", report.markdown());
    if let Some(path) = &args.json {
        fs::write(path, report.json()).map_err(|error| format!("`{}`: {error}", path.display()))?;
        eprintln!("bench: wrote {}", path.display());
    }
    Ok(!args.check || report.all_held())
}
