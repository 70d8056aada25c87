//! Measures a batch without processes: a runner in this process answers each item with itself at once.
//!
//! `cargo run --release -p mer-batch --example bench_batch [ITEMS] [JOBS] [single]`

#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use mer_batch::{Batch, Input, ItemReply, Options, Output, Part, PartEnd, PartFuture, Runner, Stop, Subject};
use tokio::sync::watch;
use uuid::Uuid;

struct Echo {
    capacity: watch::Sender<usize>,
    takes_several: bool,
}

impl Runner for Echo {
    fn capacity(&self) -> watch::Receiver<usize> {
        self.capacity.subscribe()
    }

    fn takes_several(&self) -> bool {
        self.takes_several
    }

    fn run_part(&self, mut part: Part) -> PartFuture {
        Box::pin(async move {
            let mut position = 0;
            while let Some(item) = part.items.recv().await {
                part.replies.send(ItemReply { position, output: item.input, run_ms: 0 }).await;
                position += 1;
            }
            PartEnd::done("here".to_owned(), 1, position)
        })
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let number = |at: usize, default: u32| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(default);
    let (items, jobs) = (number(0, 1_000_000), number(1, 1) as usize);
    let takes_several = words.get(2).is_none_or(|word| word != "single");
    let folder = env::temp_dir().join(format!("bench-batch-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::write(&input, (0..items).map(|number| format!("{number}\n")).collect::<String>()).expect("written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for _ in 0..3 {
        let begun = Instant::now();
        runtime.block_on(run(&input, output.clone(), jobs, takes_several, false));
        let all = begun.elapsed();
        fs::write(&input, fs::read_to_string(&input).expect("read") + "one more\n").expect("written");
        let begun = Instant::now();
        runtime.block_on(run(&input, output.clone(), jobs, takes_several, true));
        println!(
            "{all:.3?}, {:.2} µs an item; resumed for one more: {:.3?}; memory {}",
            all.as_secs_f64() * 1e6 / f64::from(items),
            begun.elapsed(),
            peak()
        );
    }
    fs::remove_dir_all(folder).expect("removed");
}

async fn run(input: &Path, output: PathBuf, jobs: usize, takes_several: bool, resume: bool) {
    let runner = Arc::new(Echo { capacity: watch::Sender::new(jobs), takes_several });
    let options = Options {
        resume,
        force: !resume,
        ..Options::new(Uuid::now_v7(), Subject { model: "echo".into(), ..Subject::default() })
    };
    let batch = Batch { options, input: Input::File(input.to_owned()), output: Output::File(output) };
    let summary = batch.run(runner, Stop::default(), Arc::new(|_| ())).await.expect("a batch");
    assert!(summary.failure_kind().is_none(), "{summary:?}");
}

/// Returns the peak of resident memory, as the kernel writes it.
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned()
}
