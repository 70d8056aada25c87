//! Streams through `mer run`: constant memory, and readers that end early.

use std::{
    fs,
    io::{Read, Write},
    process::Stdio,
    thread,
};

use crate::support::TestEnv;

/// The contract allows 96 MiB in total; the mapped code of a debug build is not counted here.
const MEMORY_KIB: u64 = 64 * 1024;

/// Returns the peak memory of a process in KiB, without mapped files.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    field("VmHWM:") - field("RssFile:")
}

/// Sends a stream through `mer` and returns its peak memory, read after the last byte and before its end.
fn stream(args: &[&str], total: usize) -> u64 {
    let env = TestEnv::ready();
    let mut command = env.with_args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("mer");
    let (mut stdin, mut stdout) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
    let block: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let sent = block.clone();
    let writer = thread::spawn(move || {
        for start in (0..total).step_by(sent.len()) {
            stdin.write_all(&sent[..sent.len().min(total - start)]).expect("written");
        }
        stdin
    });
    let mut received = vec![0; block.len()];
    for start in (0..total).step_by(block.len()) {
        let length = block.len().min(total - start);
        stdout.read_exact(&mut received[..length]).expect("the stream");
        assert!(received[..length] == block[..length], "byte for byte, in order");
    }
    let peak = peak_kib(child.id());
    drop(writer.join().expect("writer"));
    assert_eq!(stdout.read(&mut received).expect("the end"), 0);
    assert!(child.wait().expect("status").success());
    let row = env.row();
    assert_eq!((&row["stdinBytes"], &row["stdoutBytes"]), (&total.into(), &total.into()));
    peak
}

#[test]
fn a_hundred_megabytes_pass_in_constant_memory() {
    let peak = stream(&["run", "cat", "--no-hash"], 100_000_000);
    assert!(peak < MEMORY_KIB, "{peak} KiB");
}

#[test]
fn hashing_a_stream_takes_constant_memory() {
    let peak = stream(&["run", "cat", "-"], 24_000_000);
    assert!(peak < MEMORY_KIB, "{peak} KiB");
}

#[test]
fn a_slow_reader_holds_up_the_writer_and_fills_no_memory() {
    let env = TestEnv::ready();
    let mut command = env.with(["run", "cat", "--no-hash"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("mer");
    let (stdin, mut stdout) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
    rustix::io::ioctl_fionbio(&stdin, true).expect("non-blocking");
    let block = vec![b'x'; 1 << 16];
    let (mut taken, mut pauses) = (0, 0);
    // A pipe that takes nothing for half a second counts as full.
    while pauses < 100 {
        match rustix::io::write(&stdin, &block) {
            Ok(count) => (taken, pauses) = (taken + count, 0),
            Err(rustix::io::Errno::AGAIN) => {
                pauses += 1;
                thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(errno) => panic!("{errno}"),
        }
        assert!(taken < 64 << 20, "without a reader {taken} bytes were taken");
    }
    drop(stdin);
    let mut received = Vec::new();
    stdout.read_to_end(&mut received).expect("the stream");
    assert_eq!(received.len(), taken, "nothing is lost");
    assert!(child.wait().expect("status").success());
}

#[test]
fn head_ends_the_run_after_its_line() {
    let env = TestEnv::ready();
    let mut command = env.program("/bin/sh".as_ref());
    command.arg("-c").arg("{ \"$0\" run yes; echo \"code $?\" >&2; } | head -n 1").arg(TestEnv::binary());
    let ran = crate::support::run(command).ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("y\n", "code 141\n"));
    assert_eq!(env.row()["status"], "cancelled");
}

#[test]
fn tens_of_megabytes_are_written_to_a_file() {
    let env = TestEnv::ready();
    env.mer(["run", "flood", "50000000", "-o", "zeros", "--no-hash"]).ok();
    assert_eq!(fs::metadata(env.path("work/zeros")).expect("the file").len(), 50_000_000);
}
