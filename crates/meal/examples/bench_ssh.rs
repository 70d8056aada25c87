//! Runs over SSH, beside bare `ssh2` doing the same on the same loopback `sshd`. `bench_ssh [RUNS] [MEGABYTES]`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first surprise")]

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{Bound, Bounds, ConnParams, Protocol, RunSpec, Tokens};
use mer_meal::{Cancel, Executor, Input, Sinks, SshConfig, SshPlaces, WarmProcess, oneshot};
use mer_testkit::sshd::Sshd;
use ssh2::Session;
use tokio::sync::mpsc;

/// What a chunk of bulk is.
const CHUNK: usize = 128 * 1024;

fn main() {
    let mut args = env::args().skip(1).map(|arg| arg.parse::<usize>().unwrap());
    let (runs, megabytes) = (args.next().unwrap_or(500), args.next().unwrap_or(1024));
    let sshd = Sshd::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let executor = executor(&sshd);
    let session = session(&sshd);

    let bare = time(|| (0..runs).for_each(|_| bare_exec(&session)));
    let ours = time(|| {
        runtime.block_on(async {
            for _ in 0..runs {
                once(&executor).await;
            }
        });
    });
    let wide = time(|| runtime.block_on(wide(&executor, runs)));
    let each = |all: Duration| all / u32::try_from(runs).unwrap();
    report("exec of `true`, ms each", each(bare), each(ours));
    println!("  8 at once: {:.3} ms each, {:.0} a second", ms(each(wide)), runs as f64 / wide.as_secs_f64());

    let (bare, ours) = (bare_lines(&session, 3000), runtime.block_on(lines(&executor, 3000)));
    report("a line and back, p50, ms", bare, ours);
    let (one, eight) = runtime.block_on(async { (slow_models(&executor, 1).await, slow_models(&executor, 8).await) });
    println!(
        "  models of 5 ms: one {one:.0}, eight {eight:.0} requests a second, {:.0} % of 8 times",
        eight / one / 0.08
    );

    let bytes = megabytes * 1024 * 1024;
    for round in 0..2 {
        let rate = |time: Duration| megabytes as f64 / time.as_secs_f64();
        let (bare, ours) = (time(|| bare_down(&session, bytes)), time(|| runtime.block_on(down(&executor, bytes))));
        println!("{megabytes} MiB down, round {round}: bare {:.0} MiB/s, ours {:.0} MiB/s", rate(bare), rate(ours));
        let (bare, ours) = (time(|| bare_up(&session, bytes)), time(|| runtime.block_on(up(&executor, bytes))));
        println!("{megabytes} MiB up, round {round}: bare {:.0} MiB/s, ours {:.0} MiB/s", rate(bare), rate(ours));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}

fn report(what: &str, bare: Duration, ours: Duration) {
    println!(
        "{what}: bare {:.3}, ours {:.3}, {:.2} times",
        ms(bare),
        ms(ours),
        ours.as_secs_f64() / bare.as_secs_f64()
    );
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
    let places = SshPlaces::default();
    Executor::ssh(SshConfig { server: "bench".to_owned(), params, places, secrets: None, accept_new: false })
}

fn session(sshd: &Sshd) -> Session {
    let stream = TcpStream::connect(sshd.addresses()[0]).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut session = Session::new().unwrap();
    session.set_tcp_stream(stream);
    session.handshake().unwrap();
    session.userauth_pubkey_file(sshd.user(), None, sshd.client_key(), None).unwrap();
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
        assert_eq!((ended.end, line.as_deref()), (mer_meal::End::Done, Some(&b"hello\n"[..])));
    }
    warm.stop(Duration::from_secs(5), &cancel).await;
    times.sort();
    times[count / 2]
}

/// Requests a second of so many models that take 5 ms each, over one session.
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

async fn down(executor: &Executor, bytes: usize) {
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

async fn up(executor: &Executor, bytes: usize) {
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
