//! Compares runs over SSH by the `Executor` with bare `ssh2`, for `tests/bench/run`.
//!
//! `bench_ssh at-executor [MEGABYTES]` starts an `sshd` and prints one JSON object a line. Rounds of the two
//! alternate, and the medians are printed. `bench_ssh exec RUNS` compares only runs of `true`, one of each in turn, so
//! that other load of the machine affects both alike. `bench_ssh bare exec|down|up HOST PORT USER KEY COUNT` does that many
//! execs of `true`, or transfers that many bytes, over one session, and prints the milliseconds without the
//! connection.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, ConnParams, Protocol, RunSpec, Tokens};
use mer_meal::{Cancel, Executor, Input, Sinks, SshConfig, SshEnvironment, WarmProcess, oneshot};
use mer_testkit::sshd::Sshd;
use ssh2::Session;
use tokio::{runtime::Runtime, sync::mpsc};

/// Bytes of a chunk.
const CHUNK: usize = 128 * 1024;
/// Number of rounds, and the size of each.
const ROUNDS: usize = 5;
const EXECS: usize = 100;
const LINES: usize = 2000;

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["bare", what, host, port, user, key, count] => {
            let session = session(host, port.parse().unwrap(), user, Path::new(key));
            let count = count.parse().unwrap();
            let took = time(|| match what {
                "exec" => (0..count).for_each(|_| bare_exec(&session)),
                "down" => bare_down(&session, count),
                "up" => bare_up(&session, count),
                other => panic!("`{other}` is none of exec, down, up"),
            });
            println!("{}", ms(took));
        }
        ["exec", runs] => exec(runs.parse().unwrap()),
        ["at-executor"] => at_executor(256),
        ["at-executor", megabytes] => at_executor(megabytes.parse().unwrap()),
        _ => panic!("see the head of this file"),
    }
}

fn exec(runs: usize) {
    let sshd = Sshd::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let executor = executor(&sshd);
    let session = session(&sshd.host(), sshd.port(), sshd.user(), sshd.client_key());
    let mut took: (Vec<_>, Vec<_>) = (0..runs + 10)
        .map(|_| (time(|| runtime.block_on(once(&executor))), time(|| bare_exec(&session))))
        .skip(10)
        .unzip();
    took.0.sort();
    took.1.sort();
    tell("exec of `true`, in turn, p50", "ms", ms(took.0[runs / 2]), ms(took.1[runs / 2]));
    tell("exec of `true`, in turn, p10", "ms", ms(took.0[runs / 10]), ms(took.1[runs / 10]));
}

fn at_executor(megabytes: usize) {
    let sshd = Sshd::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let executor = executor(&sshd);
    let session = session(&sshd.host(), sshd.port(), sshd.user(), sshd.client_key());
    let each = |took: Duration| ms(took) / EXECS as f64;
    let (mer, bare) = in_turn(
        || each(time(|| runtime.block_on(once_each(&executor)))),
        || each(time(|| (0..EXECS).for_each(|_| bare_exec(&session)))),
    );
    tell("exec of `true`, one after the other", "ms", mer, bare);
    let (mer, bare) = in_turn(
        || each(time(|| runtime.block_on(wide(&executor, EXECS)))),
        || each(time(|| (0..EXECS).for_each(|_| bare_exec(&session)))),
    );
    tell("exec of `true`, eight at once, beside bare ones one after the other", "ms", mer, bare);
    let (mer, bare) =
        in_turn(|| ms(runtime.block_on(lines(&executor, LINES))) * 1e3, || ms(bare_lines(&session, LINES)) * 1e3);
    tell("`lines` round trip, p50", "us", mer, bare);
    let (eight, one) =
        in_turn(|| runtime.block_on(slow_models(&executor, 8)), || runtime.block_on(slow_models(&executor, 1)) * 8.0);
    tell("eight warm models of 5 ms over one session, beside eight times one", "requests/s", eight, one);
    bulk(&runtime, &executor, &session, megabytes);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    eprintln!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}

fn bulk(runtime: &Runtime, executor: &Executor, session: &Session, megabytes: usize) {
    let bytes = megabytes * 1024 * 1024;
    let rate = |took: Duration| megabytes as f64 / took.as_secs_f64();
    let (mer, bare) = in_turn(
        || rate(time(|| runtime.block_on(download(executor, bytes)))),
        || rate(time(|| bare_down(session, bytes))),
    );
    tell("bulk from there", "MiB/s", mer, bare);
    let (mer, bare) =
        in_turn(|| rate(time(|| runtime.block_on(upload(executor, bytes)))), || rate(time(|| bare_up(session, bytes))));
    tell("bulk to there", "MiB/s", mer, bare);
}

/// One round of each to warm up, then alternating rounds; returns the medians.
fn in_turn(mut ours: impl FnMut() -> f64, mut bare: impl FnMut() -> f64) -> (f64, f64) {
    let mut rounds: Vec<(f64, f64)> = (0..=ROUNDS).map(|_| (ours(), bare())).skip(1).collect();
    let mut median = |of: fn(&(f64, f64)) -> f64| {
        rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&rounds[rounds.len() / 2])
    };
    (median(|round| round.0), median(|round| round.1))
}

fn tell(name: &str, unit: &str, mer: f64, bare: f64) {
    println!("{{\"name\":\"{name}\",\"unit\":\"{unit}\",\"mer\":{mer},\"bare\":{bare}}}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn time(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn executor(sshd: &Sshd) -> Executor {
    let params = ConnParams {
        host: Some(sshd.host()),
        port: Some(sshd.port()),
        user: Some(sshd.user().to_owned()),
        identity_file: Some(sshd.client_key().display().to_string()),
        known_hosts: Some(sshd.known_hosts_file().display().to_string()),
        ..ConnParams::default()
    };
    let environment = SshEnvironment::default();
    Executor::ssh(SshConfig { server: "bench".to_owned(), params, environment, secrets: None, accept_new: false })
}

fn session(host: &str, port: u16, user: &str, key: &Path) -> Session {
    let stream = TcpStream::connect((host, port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut session = Session::new().unwrap();
    session.set_tcp_stream(stream);
    session.handshake().unwrap();
    session.userauth_pubkey_file(user, None, key, None).unwrap();
    session
}

fn spec(argv: &[&str], protocol: Protocol) -> RunSpec {
    RunSpec {
        argv: argv.iter().map(ToString::to_string).collect(),
        cwd: None,
        env: [].into(),
        protocol,
        tokens: Tokens { ready: None, ..Tokens::defaults(protocol) },
        bounds: Bounds::default(),
        leave_children: false,
    }
}

fn bare_exec(session: &Session) {
    let mut channel = session.channel_session().unwrap();
    channel.exec("true").unwrap();
    channel.send_eof().unwrap();
    let mut out = Vec::new();
    channel.read_to_end(&mut out).unwrap();
    channel.wait_close().unwrap();
    assert_eq!(channel.exit_status().unwrap(), 0);
}

async fn once(executor: &Executor) {
    let spec = spec(&["true"], Protocol::Oneshot);
    let run = executor.start(&spec).await.unwrap();
    let (out, mut taken) = mpsc::channel(4);
    let cancel = Cancel::new();
    let ended = oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(out), &spec.bounds, &cancel);
    let (ended, _) = tokio::join!(ended, taken.recv());
    assert_eq!(ended.exit, Some(mer_core::Exit::Code(0)));
}

async fn once_each(executor: &Executor) {
    for _ in 0..EXECS {
        once(executor).await;
    }
}

async fn wide(executor: &Executor, runs: usize) {
    let mut tasks = Vec::new();
    for share in 0..8 {
        let executor = executor.clone();
        let runs = runs / 8 + usize::from(share < runs % 8);
        tasks.push(tokio::spawn(async move {
            for _ in 0..runs {
                once(&executor).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

fn bare_lines(session: &Session, count: usize) -> Duration {
    let mut channel = session.channel_session().unwrap();
    channel.exec("cat").unwrap();
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let mut back = [0; 6];
            time(|| {
                channel.write_all(b"hello\n").unwrap();
                channel.read_exact(&mut back).unwrap();
            })
        })
        .collect();
    channel.send_eof().unwrap();
    channel.wait_eof().unwrap();
    channel.wait_close().unwrap();
    times.sort();
    times[count / 2]
}

async fn lines(executor: &Executor, count: usize) -> Duration {
    let spec = spec(&["cat"], Protocol::Lines);
    let cancel = Cancel::new();
    let mut warm = WarmProcess::start(executor, &spec, None, &cancel).await.unwrap();
    let (out, mut taken) = mpsc::channel(4);
    let mut times = Vec::new();
    for _ in 0..count {
        let begin = Instant::now();
        let (ended, line) = tokio::join!(warm.request(b"hello\n", &out, Bound::secs(5), &cancel), taken.recv());
        times.push(begin.elapsed());
        assert_eq!((ended.cause, line.as_deref()), (mer_meal::EndCause::Done, Some(&b"hello\n"[..])));
    }
    warm.stop(Duration::from_secs(5), &cancel).await;
    times.sort();
    times[count / 2]
}

/// Requests per second of several models that take 5 ms each, over one session.
async fn slow_models(executor: &Executor, models: usize) -> f64 {
    const REQUESTS: u32 = 200;
    let mut tasks = Vec::new();
    for _ in 0..models {
        let executor = executor.clone();
        tasks.push(tokio::spawn(async move {
            let script =
                "import sys, time\nfor line in sys.stdin:\n time.sleep(0.005); print(line, end='', flush=True)";
            let spec = spec(&["python3", "-c", script], Protocol::Lines);
            let cancel = Cancel::new();
            let mut warm = WarmProcess::start(&executor, &spec, None, &cancel).await.unwrap();
            let (out, mut taken) = mpsc::channel(4);
            let mut begin = Instant::now();
            for index in 0..=REQUESTS {
                let _ = tokio::join!(warm.request(b"x\n", &out, Bound::secs(5), &cancel), taken.recv());
                if index == 0 {
                    begin = Instant::now();
                }
            }
            let rate = f64::from(REQUESTS) / begin.elapsed().as_secs_f64();
            warm.stop(Duration::from_secs(5), &cancel).await;
            rate
        }));
    }
    let mut sum = 0.0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    sum
}

fn bare_down(session: &Session, bytes: usize) {
    let mut channel = session.channel_session().unwrap();
    channel.exec(&format!("head -c {bytes} /dev/zero")).unwrap();
    let (mut buffer, mut count) = (vec![0; CHUNK], 0);
    while count < bytes {
        count += channel.read(&mut buffer).unwrap();
    }
    channel.wait_eof().unwrap();
    channel.wait_close().unwrap();
}

async fn download(executor: &Executor, bytes: usize) {
    let spec = spec(&["head", "-c", &bytes.to_string(), "/dev/zero"], Protocol::Oneshot);
    let run = executor.start(&spec).await.unwrap();
    let (out, mut taken) = mpsc::channel::<Bytes>(4);
    let take = async {
        let mut count = 0;
        while let Some(chunk) = taken.recv().await {
            count += chunk.len();
        }
        count
    };
    let cancel = Cancel::new();
    let ended = oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(out), &spec.bounds, &cancel);
    let (_, count) = tokio::join!(ended, take);
    assert_eq!(count, bytes);
}

fn bare_up(session: &Session, bytes: usize) {
    let mut channel = session.channel_session().unwrap();
    channel.exec("cat >/dev/null").unwrap();
    let (buffer, mut count) = (vec![0; CHUNK], 0);
    while count < bytes {
        count += channel.write(&buffer).unwrap();
    }
    channel.send_eof().unwrap();
    channel.wait_eof().unwrap();
    channel.wait_close().unwrap();
}

async fn upload(executor: &Executor, bytes: usize) {
    let spec = spec(&["sh", "-c", "cat >/dev/null"], Protocol::Oneshot);
    let run = executor.start(&spec).await.unwrap();
    let (input, stream) = mpsc::channel(4);
    let feed = async move {
        let chunk = Bytes::from(vec![0; CHUNK]);
        for _ in 0..bytes / CHUNK {
            input.send(Ok(chunk.clone())).await.unwrap();
        }
    };
    let (out, _taken) = mpsc::channel::<Bytes>(4);
    let cancel = Cancel::new();
    let ended = oneshot(run, Input::Stream(stream), Sinks::stdout(out), &spec.bounds, &cancel);
    let (ended, ()) = tokio::join!(ended, feed);
    assert_eq!(ended.stdin_bytes, bytes as u64);
}
