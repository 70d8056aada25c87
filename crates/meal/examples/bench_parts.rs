//! Measures parts of batches: lines through one process that answers each with a flush, beside the same process with the lines
//! as its file.
//!
//! `cargo run --release -p mer-meal --example bench_parts [LINES] [PIPELINE]`

#![expect(clippy::print_stdout, reason = "it prints its measurements")]

use std::{
    collections::VecDeque,
    env, fs,
    io::{self, BufRead as _, BufWriter, Write as _},
    path::PathBuf,
    pin::Pin,
    process::{Command, Stdio},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Protocol, RunSpec, Tokens};
use mer_meal::{
    Cancel, EndCause, Executor, ItemReply, LocalConfig, PartItems, PartReplies, PartRequest, WarmProcess, watcher_main,
};

/// Number of items of a part, as in a batch.
const PART: usize = 1000;
const ROUNDS: usize = 5;

struct Items(std::ops::Range<usize>);

impl PartItems for Items {
    fn poll_take(&mut self, _: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize> {
        let before = payloads.len();
        payloads.extend(self.0.by_ref().take(limit).map(|number| Bytes::from(number.to_string())));
        Poll::Ready(payloads.len() - before)
    }
}

struct Count(usize);

impl PartReplies for Count {
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        self.0 += replies.len();
        replies.clear();
        Box::pin(std::future::ready(true))
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("watcher") => drop(watcher_main()),
        Some("echo") => echo(),
        _ => measure(&words),
    }
}

/// Answers each line with itself, and flushes it.
fn echo() {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    let mut writer = BufWriter::new(&mut output);
    while input.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        if writer.write_all(&line).and_then(|()| writer.flush()).is_err() {
            return;
        }
        line.clear();
    }
}

fn measure(words: &[String]) {
    let number = |at: usize, default| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(default);
    let (lines, pipeline) = (number(0, 1_000_000), number(1, 16));
    let folder = env::temp_dir().join(format!("bench-parts-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    let (input, output) = (folder.join("in"), folder.join("out"));
    fs::write(&input, (0..lines).map(|number| format!("{number}\n")).collect::<String>()).expect("written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut shares = Vec::new();
    for _ in 0..ROUNDS {
        let alone = of_file(&input, &output);
        let parts = runtime.block_on(of_parts(lines, pipeline));
        shares.push(alone.as_secs_f64() / parts.as_secs_f64());
        println!("file {alone:>8.3?}   parts {parts:>8.3?}   {:.0} %", 100.0 * shares[shares.len() - 1]);
    }
    shares.sort_by(f64::total_cmp);
    println!("median of {ROUNDS}: {:.0} % of the speed of the file, {pipeline} ahead", 100.0 * shares[ROUNDS / 2]);
    fs::remove_dir_all(folder).expect("removed");
}

/// The process with a file as its input and output.
fn of_file(input: &PathBuf, output: &PathBuf) -> Duration {
    let begin = Instant::now();
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.arg("echo").stdin(fs::File::open(input).expect("open")).stdout(fs::File::create(output).expect("made"));
    let status = command.stderr(Stdio::null()).status().expect("started");
    assert!(status.success());
    begin.elapsed()
}

async fn of_parts(lines: usize, pipeline: usize) -> Duration {
    let self_exe = env::current_exe().expect("this program");
    let argv = vec![self_exe.display().to_string(), "echo".to_owned()];
    let executor = Executor::local(LocalConfig { self_exe, watcher_argv: vec!["watcher".to_owned()] });
    let spec = RunSpec {
        argv,
        cwd: None,
        env: [].into(),
        protocol: Protocol::Lines,
        tokens: Tokens { ready: None, ..Tokens::defaults(Protocol::Lines) },
        bounds: Bounds::default(),
        leave_children: false,
    };
    let cancel = Cancel::new();
    let begin = Instant::now();
    let mut process = WarmProcess::start(&executor, &spec, None, &cancel).await.expect("started");
    let mut replies = Count(0);
    for first in (0..lines).step_by(PART) {
        let mut items = Items(first..lines.min(first + PART));
        let request = PartRequest { items: &mut items, replies: &mut replies, pipeline, timeout: Bound::secs(60) };
        let ended = process.request_part(request, &cancel).await;
        assert_eq!(ended.end.cause, EndCause::Done);
    }
    let elapsed = begin.elapsed();
    assert_eq!(replies.0, lines);
    process.stop(Duration::from_secs(5), &cancel).await;
    elapsed
}
