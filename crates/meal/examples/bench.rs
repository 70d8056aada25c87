//! Compares runs with the bare system calls, alternating in one process. Prints one JSON object a line.
//!
//! `cargo run --release -p mer-meal --example bench`. `bench trips` measures round trips only, `bench rest` everything else.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Protocol, RunSpec, Tokens};
use mer_meal::{Buffers, Cancel, EndCause, Executor, Input, LocalConfig, Sinks, WarmProcess, oneshot, watcher_main};
use tokio::sync::mpsc;

const ROUNDS: usize = 5;
const TRIPS: usize = 10_000;
const SPAWNS: usize = 300;
const BULK: u64 = 1 << 30;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    match std::env::args().nth(1).as_deref() {
        Some("watcher") => return Ok(watcher_main()),
        Some("lines") => {
            let mut line = String::new();
            while std::io::stdin().read_line(&mut line)? > 0 {
                std::io::stdout().write_all(line.as_bytes())?;
                line.clear();
            }
            return Ok(ExitCode::SUCCESS);
        }
        Some("trips") => return runtime()?.block_on(round_trips(&executor()?)).map(|()| ExitCode::SUCCESS),
        Some("bulk") => return runtime()?.block_on(bulk(&executor()?)).map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    let with_trips = std::env::args().nth(1).as_deref() != Some("rest");
    runtime()?.block_on(async {
        let executor = executor()?;
        if with_trips {
            round_trips(&executor).await?;
        }
        spawns(&executor).await?;
        bulk(&executor).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn executor() -> Result<Executor, Failure> {
    let self_exe = std::env::current_exe()?;
    Ok(Executor::local(LocalConfig { self_exe, watcher_argv: vec!["watcher".to_owned()] }))
}

/// One thread, as in `mer`.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn spec(argv: &[&str], protocol: Protocol) -> RunSpec {
    RunSpec {
        argv: argv.iter().map(ToString::to_string).collect(),
        cwd: Some(PathBuf::from("/")),
        env: [("PATH".into(), "/usr/bin:/bin".into())].into(),
        protocol,
        tokens: Tokens::defaults(protocol),
        bounds: Bounds::default(),
        leave_children: false,
    }
}

fn print(name: &str, unit: &str, bare: f64, mer: f64, ratio: f64) {
    let mut out = std::io::stdout().lock();
    let line = format!(
        "{{\"name\":\"{name}\",\"unit\":\"{unit}\",\"bare\":{bare:.2},\"mer\":{mer:.2},\"ratio\":{ratio:.2}}}\n"
    );
    let _ = out.write_all(line.as_bytes());
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// One line and its echo: a warm process, and bare blocking pipes to the same child.
async fn round_trips(executor: &Executor) -> Result<(), Failure> {
    let mut child =
        Command::new(std::env::current_exe()?).arg("lines").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else { return Ok(()) };
    let cancel = Cancel::new();
    let spec = spec(&["mer", "lines"], Protocol::Lines);
    let mut warm = WarmProcess::start(executor, &spec, None, &cancel).await?;
    let (out, mut taken) = mpsc::channel::<Bytes>(4);
    let (mut bare, mut mer, mut buffer) = (Vec::new(), Vec::new(), [0; 4096]);
    for _ in 0..ROUNDS {
        for _ in 0..TRIPS / ROUNDS {
            let begin = Instant::now();
            stdin.write_all(b"5.1,3.5,1.4,0.2\n")?;
            let count = stdout.read(&mut buffer)?;
            bare.push(begin.elapsed());
            assert_eq!(count, 16);
        }
        for _ in 0..TRIPS / ROUNDS {
            let begin = Instant::now();
            let ended = warm.request(b"5.1,3.5,1.4,0.2", &out, Bound::secs(60), &cancel).await;
            let reply = taken.recv().await;
            mer.push(begin.elapsed());
            assert_eq!((ended.cause, reply.as_deref()), (EndCause::Done, Some(&b"5.1,3.5,1.4,0.2\n"[..])));
        }
    }
    drop(stdin);
    child.wait()?;
    warm.stop(Duration::from_secs(5), &cancel).await;
    let (bare, mer) = (median(&mut bare), median(&mut mer));
    print("lines round trip, p50", "us", bare, mer, mer / bare);
    Ok(())
}

/// Spawn and wait of `true`: by the standard library with three pipes, and by MER.
async fn spawns(executor: &Executor) -> Result<(), Failure> {
    let spec = spec(&["true"], Protocol::Oneshot);
    let program = executor.resolve(&spec).await?;
    let (mut bare, mut mer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for _ in 0..SPAWNS {
            let begin = Instant::now();
            let output = Command::new(&program).env_clear().stdin(Stdio::null()).output()?;
            bare.push(begin.elapsed());
            assert!(output.status.success());
        }
        for _ in 0..SPAWNS {
            let begin = Instant::now();
            let run = executor.start(&spec).await?;
            let (out, _taken) = mpsc::channel(4);
            let cancel = Cancel::new();
            let ended = oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(out), &spec.bounds, &cancel).await;
            mer.push(begin.elapsed());
            assert_eq!(ended.cause, EndCause::Done);
        }
    }
    let (bare, mer) = (median(&mut bare), median(&mut mer));
    print("spawn and wait, p50", "us", bare, mer, mer / bare);
    Ok(())
}

/// Bytes through `cat`, from a pipe to a pipe, compared with `cat | cat | cat`.
async fn bulk(executor: &Executor) -> Result<(), Failure> {
    let (mut bare, mut mer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let line = format!("head -c {BULK} /dev/zero | cat | cat | cat >/dev/null");
        Command::new("sh").args(["-c", &line]).status()?;
        bare.push(begin.elapsed());
        let begin = Instant::now();
        through_mer(executor).await?;
        mer.push(begin.elapsed());
    }
    let rate = |times: &mut [Duration]| f64::from(u32::try_from(BULK >> 20).unwrap_or(0)) / median(times) * 1e6;
    let (bare, mer) = (rate(&mut bare), rate(&mut mer));
    print("through `cat`, one thread", "MiB/s", bare, mer, mer / bare);
    Ok(())
}

/// The same path as `head | mer run cat | cat >/dev/null`.
async fn through_mer(executor: &Executor) -> Result<(), Failure> {
    let mut source = pipe_child(&["head", "-c", &BULK.to_string(), "/dev/zero"], Stdio::null(), Stdio::piped())?;
    let mut sink = pipe_child(&["cat"], Stdio::piped(), Stdio::null())?;
    let (Some(from), Some(to)) = (source.stdout.take(), sink.stdin.take()) else { return Ok(()) };
    let from = tokio::net::unix::pipe::Receiver::from_owned_fd(from.into())?;
    let to = tokio::net::unix::pipe::Sender::from_owned_fd(to.into())?;
    for fd in [&std::os::fd::AsFd::as_fd(&from), &std::os::fd::AsFd::as_fd(&to)] {
        let _ = rustix::pipe::fcntl_setpipe_size(fd, 1 << 20);
    }
    let spec = spec(&["cat"], Protocol::Oneshot);
    let run = executor.start(&spec).await?;
    let (feed, input) = mpsc::channel(4);
    let (out, mut taken) = mpsc::channel::<Bytes>(4);
    let reader = async move {
        let mut buffers = Buffers::new();
        loop {
            let mut buffer = buffers.take(256 * 1024);
            let count = loop {
                match from.try_read_buf(&mut buffer) {
                    Ok(count) => break count,
                    Err(_) => drop(from.readable().await),
                }
            };
            if count == 0 || feed.send(Ok(buffers.lend(buffer))).await.is_err() {
                return;
            }
        }
    };
    let writer = async move {
        while let Some(mut chunk) = taken.recv().await {
            while !chunk.is_empty() {
                match to.try_write(&chunk) {
                    Ok(count) => drop(chunk.split_to(count)),
                    Err(_) => drop(to.writable().await),
                }
            }
        }
    };
    let cancel = Cancel::new();
    let (ended, (), ()) =
        tokio::join!(oneshot(run, Input::Stream(input), Sinks::stdout(out), &spec.bounds, &cancel), reader, writer);
    assert_eq!((ended.cause, ended.stdout_bytes), (EndCause::Done, BULK));
    source.wait()?;
    sink.wait()?;
    Ok(())
}

fn pipe_child(argv: &[&str], stdin: Stdio, stdout: Stdio) -> std::io::Result<Child> {
    Command::new(argv[0]).args(&argv[1..]).stdin(stdin).stdout(stdout).spawn()
}
