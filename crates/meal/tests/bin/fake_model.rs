//! A model that behaves, or misbehaves, as its arguments say. For the tests of this crate only.

#![expect(clippy::exit, clippy::print_stdout, clippy::print_stderr, reason = "a model does what it likes")]

use std::{
    env, fs,
    io::{self, BufRead, Read, Write},
    os::fd::{AsFd as _, BorrowedFd},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use mer_core::{Bounds, ConnParams, Protocol, RunSpec, Tokens};
use mer_meal::{Executor, Held, LocalConfig, SshConfig, SshEnvironment, watcher_main};
use rustix::process::{Pid, Signal, getpgid, getpid, kill_process, setsid};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["watcher", ..] => return watcher_main(),
        ["echo"] => drop(io::copy(&mut io::stdin(), &mut io::stdout())),
        ["exit", code] => return ExitCode::from(code.parse::<u8>().unwrap_or(99)),
        ["signal"] => die(),
        ["sleep"] => sleep(),
        ["say-and-sleep"] => {
            say("ready");
            sleep();
        }
        ["ignore-term"] => ignore_term(),
        // All of stderr comes first, so that reading only stdout blocks.
        ["flood", bytes] => {
            let bytes = bytes.parse().unwrap_or(0);
            flood(&mut io::stderr(), bytes);
            flood(&mut io::stdout(), bytes);
            flood(&mut io::stderr(), bytes);
        }
        ["grandchild", seconds] => grandchild(seconds),
        ["daemon"] => {
            let mut command = Command::new(env::current_exe().unwrap_or_default());
            command.args(["hold", "60"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Ok(child) = command.spawn() {
                say(&child.id().to_string());
            }
        }
        ["hold", seconds] => {
            thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap_or(60.0)));
            say("late");
        }
        ["escape", rest @ ..] => escape(rest),
        ["session", kind] => session(kind),
        ["trickle"] => loop {
            say("more");
            thread::sleep(Duration::from_millis(20));
        },
        ["close-stdout"] => close_stdout_and_sleep(),
        ["environment"] => env::vars_os().for_each(|(name, value)| {
            say(&format!("{}={}", name.display(), value.display()));
        }),
        ["where"] => say(&env::current_dir().unwrap_or_default().display().to_string()),
        ["serve", protocol, ready, rest @ ..] => serve(protocol, ready, rest),
        ["parent", mark] => parent(mark),
        ["locking-parent", mark, lock, grace] => locking_parent(mark, lock, grace),
        ["remote-parent", host, port, user, key, known_hosts] => remote_parent(host, port, user, key, known_hosts),
        ["parent-of", args @ ..] => parent_of(args),
        _ => return ExitCode::from(98),
    }
    ExitCode::SUCCESS
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn sleep() -> ! {
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    sleep()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn ignore_term() -> ! {
    let runtime = runtime();
    let _guard = runtime.enter();
    let _handler = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    say("ready");
    sleep()
}

fn flood(to: &mut impl Write, bytes: usize) {
    let chunk = [b'x'; 4096];
    for at in (0..bytes).step_by(chunk.len()) {
        let _ = to.write_all(&chunk[..chunk.len().min(bytes - at)]);
    }
    let _ = to.flush();
}

/// A child that holds the pipes of this process, and outlives it.
fn grandchild(seconds: &str) {
    let me = env::current_exe().unwrap_or_default();
    if let Ok(child) = Command::new(me).args(["hold", seconds]).spawn() {
        say(&child.id().to_string());
    }
}

/// A child that leaves the group; then `hold` keeps its pipes open, and `stay` keeps this process alive.
#[expect(clippy::zombie_processes, reason = "it is left behind on purpose")]
fn escape(words: &[&str]) {
    let mut command = Command::new(env::current_exe().unwrap_or_default());
    command.args(["session", if words.contains(&"deaf") { "deaf" } else { "plain" }]);
    if !words.contains(&"hold") {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    let child = command.spawn().expect("a child");
    let pid = Pid::from_child(&child);
    while getpgid(Some(pid)).is_ok_and(|group| group != pid) {
        thread::sleep(Duration::from_millis(1));
    }
    say(&child.id().to_string());
    if words.contains(&"stay") {
        sleep();
    }
}

fn session(kind: &str) -> ! {
    // Written before the child leaves the group, so that a test that waits for it does not go on too early.
    let runtime = runtime();
    let _guard = runtime.enter();
    let _handler = (kind == "deaf").then(|| tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()));
    let _ = setsid();
    sleep()
}

/// Runs a model over SSH that ignores TERM, and waits for its end.
fn remote_parent(host: &str, port: &str, user: &str, key: &str, known_hosts: &str) -> ! {
    let own = |text: &str| Some(text.to_owned());
    let params = ConnParams {
        host: own(host),
        port: port.parse().ok(),
        user: own(user),
        identity_file: own(key),
        known_hosts: own(known_hosts),
        ..ConnParams::default()
    };
    let environment = SshEnvironment::default();
    let config = SshConfig { server: host.to_owned(), params, environment, secrets: None, accept_new: false };
    let spec = RunSpec {
        argv: vec![env::current_exe().unwrap_or_default().display().to_string(), "ignore-term".to_owned()],
        cwd: None,
        env: [].into(),
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: Bounds { grace: Duration::from_millis(300), ..Bounds::default() },
        leave_children: false,
    };
    runtime().block_on(async {
        let mut run = Executor::ssh(config).start(&spec).await.expect("starts");
        let _ = run.stdout.next().await;
        say("started");
        std::future::pending::<()>().await;
    });
    sleep()
}

fn close_stdout_and_sleep() -> ! {
    let _ = fs::File::create("/dev/null").map(rustix::stdio::dup2_stdout);
    sleep()
}

/// A process that stays up. The first word of a request says what to do with it.
fn serve(protocol: &str, ready: &str, rest: &[&str]) {
    if rest == ["early"] {
        say("early");
    }
    match ready {
        "at-once" => {}
        "never" => sleep(),
        "banner" => say("booting"),
        "never-reading" => {
            thread::sleep(Duration::from_millis(200));
            say("booting");
            sleep();
        }
        "fail" => {
            eprintln!("no such weights");
            std::process::exit(3);
        }
        "chatty-stdout" | "chatty-stderr" => {
            for _ in 0..40 {
                if ready == "chatty-stdout" {
                    say("loading");
                } else {
                    eprintln!("loading");
                }
                thread::sleep(Duration::from_millis(20));
            }
            say(Tokens::READY);
        }
        "endless" => loop {
            say("loading");
            thread::sleep(Duration::from_millis(20));
        },
        "flood" => loop {
            flood(&mut io::stdout(), 1 << 20);
        },
        "noise" => {
            print!("loading…\n@!#READY#!@ not yet\n{}\n@!#READY#!@\n", "x".repeat(300_000));
            let _ = io::stdout().flush();
        }
        millis => {
            thread::sleep(Duration::from_millis(millis.parse().unwrap_or(0)));
            say(Tokens::READY);
        }
    }
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        line.clear();
        if protocol == "lines" {
            // It says nothing to an item that asks for that.
            if text == "mute" {
                continue;
            }
            act(&text);
            say(&text);
        } else if text == Tokens::EXIT {
            return;
        } else if text == Tokens::START {
            token_request(&mut input);
        }
    }
}

fn token_request(input: &mut impl BufRead) {
    let (mut payload, mut line) = (Vec::new(), Vec::new());
    while input.read_until(b'\n', &mut line).unwrap_or(0) > 0 && line != format!("{}\n", Tokens::STOP).as_bytes() {
        payload.append(&mut line);
    }
    let first = payload.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).into_owned();
    say("thinking");
    say(Tokens::START);
    let mut out = io::stdout().lock();
    if first == "drip" {
        let _ = out.write_all(b"Once upon").and_then(|()| out.flush());
        // The rest comes only after the test has read the beginning.
        let _ = input.read_until(b'\n', &mut Vec::new());
        let _ = out.write_all(b" a time\n");
    } else {
        drop(out);
        act(&first);
        out = io::stdout().lock();
        let _ = out.write_all(&payload);
    }
    let _ = out.write_all(format!("{}\n", Tokens::STOP).as_bytes()).and_then(|()| out.flush());
}

fn act(text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["die"] => {
            eprintln!("Traceback: out of ideas");
            std::process::exit(3);
        }
        ["kill"] => die(),
        ["kill-leaving", seconds] => {
            let me = env::current_exe().unwrap_or_default();
            let _ = Command::new(me).args(["hold", seconds]).spawn();
            die();
        }
        ["hang"] => sleep(),
        ["slow", millis] => thread::sleep(Duration::from_millis(millis.parse().unwrap_or(0))),
        ["two"] => say("one"),
        ["stderr", bytes] => flood(&mut io::stderr(), bytes.parse().unwrap_or(0)),
        ["long", bytes] => flood(&mut io::stdout(), bytes.parse().unwrap_or(0)),
        ["close"] => close_stdout_and_sleep(),
        ["late", millis] => {
            let millis = millis.parse().unwrap_or(0);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(millis));
                say("late");
            });
        }
        _ => {}
    }
}

/// Runs one model to its end, and prints how it ended.
fn parent_of(args: &[&str]) {
    let executor = executor();
    let spec = spec("", args);
    let exit = runtime().block_on(async { executor.start(&spec).await.expect("a model").control.wait().await });
    say(&exit.to_string());
}

fn executor() -> Executor {
    let self_exe = env::current_exe().unwrap_or_default();
    Executor::local(LocalConfig { self_exe, watcher_argv: vec!["watcher".to_owned()] })
}

fn spec(mark: &str, args: &[&str]) -> RunSpec {
    RunSpec {
        argv: ["mer"].iter().chain(args).map(ToString::to_string).collect(),
        cwd: Some(PathBuf::from("/")),
        env: [("FAKE_MARK".into(), mark.into())].into(),
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: Bounds { grace: Duration::from_millis(200), ..Bounds::default() },
        leave_children: false,
    }
}

/// Starts models one after another, some with grandchildren, until it is killed. Its first line on stdout says that
/// the first model runs.
fn parent(mark: &str) {
    let executor = executor();
    let commands: [&[&str]; 3] = [&["say-and-sleep"], &["ignore-term"], &["grandchild", "60"]];
    runtime().block_on(async {
        let mut runs = Vec::new();
        for command in commands.iter().cycle().take(30) {
            runs.push(executor.start(&spec(mark, command)).await.expect("a model"));
            if runs.len() == 1 {
                say("started");
            }
        }
        say("all");
        // Never returns: it is killed.
        let _ = io::stdin().read(&mut [0]);
    });
}

/// A file that a model holds locked.
#[derive(Debug)]
struct Locked(fs::File);

impl Held for Locked {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.0.as_fd()]
    }

    fn orphan_time(&self) -> Duration {
        Duration::from_secs(2)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // The watcher has the file open, too.
        self.0.unlock().expect("unlocked");
    }
}

/// Starts a model that ignores TERM and holds a lock, and waits to be killed.
fn locking_parent(mark: &str, lock: &str, grace: &str) {
    let file = fs::File::options().read(true).write(true).open(lock).expect("the lock file");
    file.lock().expect("locked");
    let here = executor();
    let executor = here.holding(Arc::new(Locked(file)), &here);
    let grace = Duration::from_millis(grace.parse().unwrap_or(0));
    let spec = RunSpec { bounds: Bounds { grace, ..Bounds::default() }, ..spec(mark, &["ignore-term"]) };
    runtime().block_on(async {
        let mut run = executor.start(&spec).await.expect("a model");
        // From here on only the run holds the lock.
        drop(executor);
        let _ = run.stdout.next().await;
        say("started");
        // It either goes on to be killed, or is told to end the model.
        let _ = io::stdin().read(&mut [0]);
        run.control.kill();
        run.control.wait().await;
        say("ended");
        let _ = io::stdin().read(&mut [0]);
    });
}
