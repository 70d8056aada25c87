//! Fetches secrets of servers when they are needed.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use mer_core::{escaped, not_started};
use mer_meal::{SecretRequest, SecretSource};
use mer_scheduler::CallerEnvironment;
use mer_service::spawn_thread;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::ui;

/// Bound on a `passwordCommand`.
const COMMAND_BOUND: Duration = Duration::from_secs(20);
/// Bound on the answer to a question for a passphrase.
const PERSON_BOUND: Duration = Duration::from_secs(60);
/// Maximum output of a `passwordCommand`, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Answers from the environment, from files, from commands, and with `asks` from the terminal. A command gets the environment
/// that a model gets.
pub(super) fn source(given: Arc<CallerEnvironment>, home: Option<PathBuf>, asks: bool) -> SecretSource {
    // Each passphrase is asked for once, and only one question is on the terminal at a time.
    let passphrases: Mutex<HashMap<PathBuf, String>> = Mutex::default();
    Arc::new(move |request| match request {
        SecretRequest::Env(name) => match given.variables().get(OsStr::new(name)).map(|value| value.to_str()) {
            Some(Some(value)) if !value.is_empty() => Ok(Some(value.to_owned())),
            Some(None) => Err(format!("the environment variable `{name}` is not UTF-8")),
            _ => Err(format!("the environment variable `{name}` is not set")),
        },
        SecretRequest::File(file) => from_file(&expanded(file, home.as_deref())).map(Some),
        SecretRequest::Command(argv) => from_command(argv, given.public()).map(Some),
        SecretRequest::Passphrase(key) => {
            let mut known = passphrases.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(passphrase) = known.get(key) {
                return Ok(Some(passphrase.clone()));
            }
            if !asks {
                return Ok(None);
            }
            let answer =
                ui::ask_secret(&format!("Passphrase for `{}`: ", escaped(&key.to_string_lossy())), PERSON_BOUND);
            let answer = answer.map_err(|error| format!("its passphrase could not be asked for: {error}"))?;
            known.insert(key.to_owned(), answer.clone());
            Ok(Some(answer))
        }
        SecretRequest::WrongPassphrase(key) => {
            passphrases.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            Ok(None)
        }
        _ => Ok(None),
    })
}

fn expanded(file: &str, home: Option<&Path>) -> PathBuf {
    match (file.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(file),
    }
}

fn from_file(file: &Path) -> Result<String, String> {
    let text = mer_files::read_external_to_string(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
    first_line(&text).ok_or_else(|| format!("`{}` has no first line", file.display()))
}

/// Returns the first line that a command prints. The command is an argument array and reaches no shell.
fn from_command(argv: &[String], environment: BTreeMap<OsString, OsString>) -> Result<String, String> {
    let (program, args) = argv.split_first().ok_or("`passwordCommand` is empty")?;
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(environment).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("`{program}`: {}", not_started(error)))?;
    let Some(stdout) = child.stdout.take() else { return Err(format!("`{program}` has no output")) };
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        let mut text = String::new();
        let result = stdout.take(MOST_BYTES).read_to_string(&mut text);
        // The receiver is gone if it took too long.
        let _ = sender.send(result.map(|_| text));
    };
    let received = match spawn_thread("mer-secret", read) {
        Ok(_) => receiver.recv_timeout(COMMAND_BOUND),
        Err(error) => return Err(format!("`{program}`: {error}")),
    };
    if received.is_err()
        && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process_group(group, Signal::KILL);
    }
    // Its exit status is unknown if this process inherited SIGCHLD as ignored; its output is what counts then.
    let failed = child.wait().is_ok_and(|status| !status.success());
    match received {
        Ok(Ok(text)) if !failed => first_line(&text).ok_or_else(|| format!("`{program}` printed nothing")),
        Ok(Ok(_)) => Err(format!("`{program}` failed")),
        Ok(Err(error)) => Err(format!("`{program}`: {error}")),
        Err(_) => Err(format!("`{program}` printed no line within {} s", COMMAND_BOUND.as_secs())),
    }
}

fn first_line(text: &str) -> Option<String> {
    text.lines().next().filter(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// An environment with `PATH`.
    fn path() -> Arc<CallerEnvironment> {
        environment(&[])
    }

    fn environment(more: &[(&str, &str)]) -> Arc<CallerEnvironment> {
        let path = std::env::var_os("PATH").map(|path| (OsString::from("PATH"), path));
        let more = more.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Arc::new(CallerEnvironment::new(path.into_iter().chain(more).collect(), ["hunter2".to_owned()]))
    }

    #[test]
    fn a_command_has_no_other_secret() {
        let given = environment(&[
            ("DRIVER_DB_PASSWORD", "x"),
            ("ANY_NAME", "postgres://u:hunter2@h/d"),
            ("CREDENTIALS_DIRECTORY", "/run/credentials"),
            ("OTHER", "fine"),
        ]);
        let asked = source(given, None, false);
        let line = "echo \"${DRIVER_DB_PASSWORD-none} ${ANY_NAME-none} ${CREDENTIALS_DIRECTORY-none} $OTHER\"";
        let said = asked(SecretRequest::Command(&words(&["sh", "-c", line])));
        assert_eq!(said, Ok(Some("none none none fine".to_owned())));
    }

    #[test]
    fn a_secret_is_the_first_line_of_what_a_command_prints() {
        let asked = source(path(), None, false);
        let of = |argv: &[&str]| asked(SecretRequest::Command(&words(argv)));
        assert_eq!(of(&["printf", "$HOME two  \nthree\n"]), Ok(Some("$HOME two  ".to_owned())));
        assert!(of(&["true"]).is_err_and(|why| why.contains("printed nothing")));
        assert!(of(&["sh", "-c", "echo no; exit 3"]).is_err_and(|why| why.contains("failed")));
        assert!(of(&["no-such-command-at-all"]).is_err());
        assert!(of(&[]).is_err());
    }

    #[test]
    fn variables_and_files() {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("pw"), "hunter 2\r\nnot this\n").expect("a file");
        let given = environment(&[("PW", "x"), ("EMPTY", "")]);
        let asked = source(given, Some(home.path().to_owned()), false);
        assert_eq!(asked(SecretRequest::File("~/pw")), Ok(Some("hunter 2".to_owned())));
        assert_eq!(asked(SecretRequest::Env("PW")), Ok(Some("x".to_owned())));
        assert!(asked(SecretRequest::Env("EMPTY")).is_err_and(|why| why.contains("EMPTY")));
        assert!(asked(SecretRequest::File("~/none")).is_err_and(|why| why.contains("none")));
        assert_eq!(asked(SecretRequest::Passphrase(Path::new("k"))), Ok(None), "there is nobody to ask");
    }
}
