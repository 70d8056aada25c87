//! Runs one hook to its end, within its bound.

use std::{collections::BTreeMap, ffi::OsString, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Exit, Protocol, RunSpec, Tokens};
use mer_meal::{Cancel, EndCause, Executor, Input, RequestEnd, Sinks, StartError, oneshot};
use thiserror::Error;
use tokio::{sync::mpsc, time::timeout};

use crate::{commands::run_output::STDERR_QUEUE, io::Sink};

/// Maximum duration of a hook.
pub(super) const BOUND: Bound = Bound::secs(60);
/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(5);
/// Maximum wait for the reader of standard error, once a hook is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A command of the user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook<'a> {
    /// The flag that names it.
    pub(super) flag: &'static str,
    /// Program and arguments.
    pub(super) words: &'a [String],
    /// Maximum duration.
    pub(super) bound: Bound,
}

/// A hook that did not do its work. The message lacks the name of the hook.
#[derive(Debug, Error)]
pub(super) enum HookError {
    /// It could not be started.
    #[error("could not be run")]
    Start(#[from] StartError),
    /// It ended by itself, and not with 0.
    #[error("failed: it {0}")]
    Failed(Exit),
    /// Its bound ran out.
    #[error("was ended: it took longer than {0}")]
    TooLong(Bound),
    /// A signal came while it ran.
    #[error("was ended by a signal")]
    Cancelled,
}

/// Runs a hook with this input. What it writes, to either stream, goes to standard error.
///
/// # Errors
/// It could not be run, did not succeed, or was ended.
pub(super) async fn execute(
    hook: Hook<'_>,
    executor: &Executor,
    environment: BTreeMap<OsString, OsString>,
    input: Bytes,
    cancel: &Cancel,
) -> Result<(), HookError> {
    let spec = RunSpec {
        argv: hook.words.to_vec(),
        cwd: None,
        env: environment,
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: Bounds { timeout: hook.bound, grace: GRACE, ..Bounds::default() },
        // What it starts for later, in a session of its own, is meant to go on.
        leave_children: true,
    };
    let run = executor.start(&spec).await?;
    let (sender, chunks) = mpsc::channel(STDERR_QUEUE);
    let diagnostics = sender.clone();
    let sinks = Sinks {
        // A slow reader costs diagnostics, as those of a model.
        stderr: Some(Arc::new(move |bytes: &[u8]| drop(diagnostics.try_send(Bytes::copy_from_slice(bytes))))),
        ..Sinks::stdout(sender)
    };
    let mut written = pin!(write_to_stderr(chunks));
    let end = {
        let mut run = pin!(oneshot(run, Input::Bytes(input), sinks, &spec.bounds, cancel));
        tokio::select! {
            biased;
            end = &mut run => end,
            // Only at the end of both streams.
            () = &mut written => return verdict(hook, run.await),
        }
    };
    let _ = timeout(LAST_WORDS, written).await;
    verdict(hook, end)
}

fn verdict(hook: Hook<'_>, end: RequestEnd) -> Result<(), HookError> {
    match (end.cause, end.exit) {
        (EndCause::Timeout { .. }, _) => Err(HookError::TooLong(hook.bound)),
        (EndCause::Cancelled, _) => Err(HookError::Cancelled),
        (_, Some(Exit::Code(0))) => Ok(()),
        (_, exit) => Err(HookError::Failed(exit.unwrap_or(Exit::Lost))),
    }
}

/// Writes chunks until there are no more. Without a reader they are dropped, so that the hook goes on.
async fn write_to_stderr(mut chunks: mpsc::Receiver<Bytes>) {
    let mut sink = Sink::stderr().ok();
    while let Some(chunk) = chunks.recv().await {
        if let Some(open) = &mut sink
            && open.put(chunk).await.is_err()
        {
            sink = None;
        }
    }
    if let Some(sink) = sink {
        let _ = sink.finish(true).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Instant};

    use mer_core::with_causes;
    use mer_meal::LocalConfig;

    use super::*;

    const SOON: Bound = Bound::After(Duration::from_millis(300));

    async fn run(words: &[&str], input: Vec<u8>, bound: Bound, cancel: &Cancel) -> Result<(), HookError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let executor = Executor::local(LocalConfig { self_exe: "/nonexistent".into(), watcher_argv: Vec::new() });
        let environment = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
        let hook = Hook { flag: "--on-end", words: &words, bound };
        execute(hook, &executor, environment, input.into(), cancel).await
    }

    async fn quick(words: &[&str], input: &[u8]) -> Result<(), String> {
        run(words, input.to_vec(), BOUND, &Cancel::new()).await.map_err(|error| with_causes(&error))
    }

    fn shown(path: &Path) -> String {
        path.to_str().expect("text").to_owned()
    }

    #[tokio::test]
    async fn a_hook_gets_its_input_and_its_words_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = shown(&folder.path().join("two words"));
        let line = "cat > \"$1\"; printf '%s' \"$2\" >> \"$1\"; echo said; echo said too >&2";
        assert_eq!(quick(&["sh", "-c", line, "sh", &file, "$HOME *"], b"{}\n").await, Ok(()));
        assert_eq!(fs::read_to_string(file).expect("a file"), "{}\n$HOME *");
    }

    #[tokio::test]
    async fn an_input_that_is_not_read_is_no_failure() {
        assert_eq!(quick(&["true"], &vec![b'x'; 4 << 20]).await, Ok(()));
        assert_eq!(quick(&["sh", "-c", "exec <&-; exit 0"], &vec![b'x'; 4 << 20]).await, Ok(()));
    }

    #[tokio::test]
    async fn a_hook_that_fails_says_how() {
        assert_eq!(quick(&["sh", "-c", "exit 3"], b"").await, Err("failed: it exited with code 3".to_owned()));
        assert_eq!(quick(&["sh", "-c", "kill -9 $$"], b"").await, Err("failed: it died by SIGKILL".to_owned()));
        let missing = quick(&["no-such-command-at-all"], b"").await.expect_err("missing");
        assert!(
            missing.starts_with("could not be run: the command `no-such-command-at-all` does not exist"),
            "{missing}"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("hook");
        fs::write(&file, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
        let refused = quick(&[&shown(&file)], b"").await.expect_err("not executable");
        assert!(refused.contains("is not executable"), "{refused}");
        fs::write(&file, "#!/no/such/shell\n").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a mode");
        let refused = quick(&[&shown(&file)], b"").await.expect_err("no interpreter");
        assert!(refused.contains("needs the interpreter"), "{refused}");
    }

    #[tokio::test]
    async fn a_hook_that_hangs_is_ended_with_its_group() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = shown(&folder.path().join("pid"));
        let begun = Instant::now();
        let line = "sleep 600 & echo $! > \"$1\"; wait";
        let ended = run(&["sh", "-c", line, "sh", &file], Vec::new(), SOON, &Cancel::new()).await;
        assert!(matches!(ended, Err(HookError::TooLong(SOON))), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        let pid = fs::read_to_string(file).expect("a pid");
        mer_testkit::processes::until("the end of the group", Duration::from_secs(30), || {
            !Path::new("/proc").join(pid.trim()).join("exe").exists()
        });
    }

    #[tokio::test]
    async fn a_signal_ends_a_hook() {
        let cancel = Cancel::new();
        let (ended, ()) = tokio::join!(run(&["sleep", "600"], Vec::new(), BOUND, &cancel), async { cancel.press() });
        assert!(matches!(ended, Err(HookError::Cancelled)), "{ended:?}");
    }
}
