//! A command on a channel of a faulty server, and the report of its end.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::conduct::{Conduct, ExitReport};

/// Starts `sh -c command` in a new process group, as a login does.
pub(super) fn start(command: &[u8], conduct: &Conduct) -> io::Result<Child> {
    Command::new("sh")
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .env("MER_TEST_SSHD", &conduct.nonce)
        .env("HOME", &conduct.home)
        // A watchdog that is killed leaves its folder there.
        .env("XDG_RUNTIME_DIR", &conduct.home)
        .current_dir(&conduct.home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Carries the three streams until the output ends, and reports the end as configured.
pub(super) async fn supervise(
    mut child: Child,
    input: mpsc::UnboundedReceiver<Vec<u8>>,
    output: ChannelWriteHalf<Msg>,
    handle: Handle,
    conduct: Arc<Conduct>,
) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = tokio::spawn(feed(input, stdin));
    tokio::join!(carry(stdout, None, &output, &conduct), carry(stderr, Some(1), &output, &conduct));
    let status = child.wait().await;
    feeding.abort();
    // If the client has gone, every send below fails, which does not matter.
    let _ = output.eof().await;
    if !conduct.after_eof.is_empty() {
        let _ = output.data_bytes(conduct.after_eof.clone()).await;
    }
    if let Ok(status) = status {
        report(status, &conduct.exit_report, &output, &handle).await;
    }
    let _ = output.close().await;
}

async fn feed(mut input: mpsc::UnboundedReceiver<Vec<u8>>, stdin: Option<ChildStdin>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = input.recv().await {
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Sends the output of `from` until it ends or the client has gone, and then closes it, as sshd does.
async fn carry<R: AsyncRead + Unpin>(
    from: Option<R>,
    extended: Option<u32>,
    output: &ChannelWriteHalf<Msg>,
    conduct: &Conduct,
) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let step = if conduct.one_byte { 1 } else { length };
        for piece in buffer[..length].chunks(step) {
            let piece = Bytes::copy_from_slice(piece);
            let sent = match extended {
                None => output.data_bytes(piece).await,
                Some(code) => output.extended_data_bytes(code, piece).await,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

async fn report(status: ExitStatus, exit_report: &ExitReport, output: &ChannelWriteHalf<Msg>, handle: &Handle) {
    let signal = match exit_report {
        ExitReport::None => return,
        ExitReport::Signal(name) => Some(name.clone()),
        ExitReport::Truthful => status.signal().map(name_of),
    };
    if let Some(name) = signal {
        let (message, language) = (String::new(), String::new());
        let _ =
            handle.exit_signal_request(output.id(), Sig::Custom(name), status.core_dumped(), message, language).await;
    } else {
        let _ = output.exit_status(status.code().unwrap_or_default().unsigned_abs()).await;
    }
}

/// The protocol's name of a signal, or that of an extension.
fn name_of(signal: i32) -> String {
    let name = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        10 => "USR1",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        other => return format!("SIG{other}@mer-testkit"),
    };
    name.to_owned()
}
