//! Waits for the greeting of the wrapper.
//!
//! An rc file of the login shell runs first, and may print anything. If it starts another shell or reads stdin, the
//! wrapper never starts. Only the owner of the file can fix that, so that the error shows what it printed.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{
    Pipe,
    noise::{MOST_NOISE, in_one_line, rest_of},
    ssh::{
        SshError,
        pool::{LocalPipes, Pool},
        session::{Greeting, greeting},
    },
};

/// From the open channel to the start of the program. An rc file may take some time.
pub(super) const START_BOUND: Duration = Duration::from_secs(30);
/// Maximum number of characters of it in the error.
const MAX_SHOWN: usize = 200;
/// How long the rest of stderr is waited for after the shell has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Reads what the rc files print, up to the greeting. Returns the process group, and the greeting.
pub(super) async fn await_greeting(
    pool: &Pool,
    pipes: &mut LocalPipes,
    nonce: &str,
) -> Result<(i32, Greeting), SshError> {
    let no_shell = |detail: &str| SshError::NoShell { host: pool.host(), detail: detail.to_owned() };
    let until = Instant::now() + START_BOUND;
    let mut seen = String::new();
    loop {
        match timeout_at(until, pipes.stdout.next()).await {
            Ok(Ok(Some(bytes))) => {
                seen.push_str(&String::from_utf8_lossy(&bytes));
                if let Some(greeting) = greeting(&seen, nonce) {
                    let group = greeting.signal_group().map_err(no_shell)?;
                    return Ok((group, greeting));
                }
                if seen.len() > MOST_NOISE {
                    return Err(no_shell("the login shell prints without end"));
                }
            }
            Ok(_) => {
                let output = end_of_output(&mut pipes.stderr, &seen).await;
                return Err(no_shell(output.as_deref().unwrap_or("`it ended without output`")));
            }
            Err(_) => {
                let output = end_of_output(&mut pipes.stderr, &seen).await;
                return Err(SshError::NoGreeting { host: pool.host(), after: START_BOUND, output });
            }
        }
    }
}

/// The end of what was printed on both streams instead of the greeting.
async fn end_of_output(stderr: &mut Pipe, seen: &str) -> Option<String> {
    in_one_line(&format!("{seen}\n{}", rest_of(stderr, LAST_WORDS).await), MAX_SHOWN)
}
