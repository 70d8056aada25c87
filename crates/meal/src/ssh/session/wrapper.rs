//! The command for the remote login shell: one line with the same meaning in every shell.
//!
//! fish, csh and the POSIX shells treat single quotes alike if there is no quote, backslash, exclamation mark or
//! newline between them. So the line is constant except for a nonce: it lets `sh` print the nonce and its process
//! group, and then read and run one more line. Output of an rc file comes before the nonce, and is noise. The
//! command, its arguments and its environment are sent over stdin in that second line, so that no shell but `sh`
//! reads them, and no process list shows them before the program itself runs.
//!
//! Signals go to the group, so that it must contain nothing but the command. sshd makes a group for each command.
//! Other servers do not (Dropbear runs commands in its own group), nor do forced commands: there the shell makes
//! itself the leader of a new group, by `setsid` or `perl`.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use super::GuardError;
use crate::shell_words::CHECKS;

/// Functions for the second line, so that it is short: a shell reads it byte by byte, with a system call each.
///
/// [`CHECKS`] come before them. `mer_w FOLDER PID NAME` puts the group into the
/// folder of the watchdog, which must be alive and in the same PID namespace. The folder must be there afterwards too:
/// a watchdog that ends renames it before it reads the names in it. `mer_r` runs the program and reports its status
/// behind `mer_k`.
///
/// The shell stays beside the program: SSH reports a status of 0 in the same way as no status, and sshd has no names
/// for many signals. The shell ignores signals that are meant for the program, and prints nothing. The subshell execs
/// the program, so that the program runs in its place. It is the subshell that answers `=ok`: its traps are those of the
/// program by then, so a signal sent right after the answer is not lost.
const FUNCTIONS: &str = "mer_w() { [ /proc/$2/cwd -ef \"$1\" ] && [ /proc/$2/ns/pid -ef /proc/$$/ns/pid ] && true >\"$1/$mer_g.$3\" && \
     [ -e \"$1/$mer_g.$3\" ] || { echo =ng; exit 125; }; } 2>/dev/null; \
     mer_r() { trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM; exec 3>&2 2>/dev/null; \
     (echo =ok; exec \"$@\") 2>&3 3>&-; mer_s=$?; echo \"$mer_k$mer_s.\" >&3; exit $mer_s; }; ";

/// The line for the login shell. The script is passed as a word, so that it can start once more in a new group.
///
/// The group is the shell's own if there is one with its number: only a leader has that. `/proc` must be that of its own
/// PID namespace. The namespace is reported if `namespace` is set, which costs a process.
pub(crate) fn wrapper(nonce: &str, namespace: bool) -> String {
    let mer_n = if namespace { "mer_n=$(readlink /proc/$$/ns/pid_for_children 2>/dev/null); " } else { "mer_n=; " };
    format!(
        "exec sh -c 'eval \"$0\"' '{{ [ /proc/self -ef /proc/$$ ] && kill -0 -$$; }} 2>/dev/null && mer_g=$$ || {{ \
         {{ read -r mer_p mer_x mer_x mer_x mer_g mer_x </proc/self/stat; }} 2>/dev/null && \
         {{ [ \"$mer_p\" = $$ ] || mer_g=0; }} || mer_g=$(ps -o pgid= -p $$); mer_g=$((${{mer_g:-0}})); }}; \
         [ -L /proc/$$/ns/pid_for_children ] && \
         {{ [ /proc/$$/ns/pid_for_children -ef /proc/$$/ns/pid ] || mer_g=0; }}; \
         [ \"$0\" = mer ] || [ $mer_g = $$ ] || [ $mer_g = 0 ] || \
         {{ command -v setsid >/dev/null 2>&1 && exec setsid sh -c \"$0\" mer; \
         command -v perl >/dev/null 2>&1 && exec perl -e \"setpgrp;exec@ARGV\" sh -c \"$0\" mer; }}; \
         {mer_n}{CHECKS}{FUNCTIONS}echo \"{nonce}=$mer_g $$ $mer_n.\"; IFS= read -r mer_l && eval \"$mer_l\"'"
    )
}

/// The greeting of the wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Its process group.
    group: i32,
    /// Its process ID.
    pid: i32,
    /// The PID namespace of its children, if the system has namespaces.
    pub(crate) namespace: String,
}

impl Greeting {
    /// The group for signals, or why there is none.
    pub(crate) fn signal_group(&self) -> Result<i32, &'static str> {
        match self.group {
            group if group == self.pid && group > 1 => Ok(group),
            0 | 1 => Err("an rc file puts commands into a PID namespace where their process group cannot be known \
                          (`unshare --pid`): nothing could be ended"),
            _ => {
                Err("commands there are in the process group of the server, and neither `setsid` nor `perl` is there \
                      to make another one: nothing could be ended")
            }
        }
    }
}

/// Whether a process in one namespace can be seen from the other, as far as both are known.
pub(crate) fn is_same_namespace(watchdog: &str, run: &str) -> bool {
    watchdog == run || watchdog.is_empty() || run.is_empty()
}

/// Checks that a process in one namespace can be seen from the other.
pub(super) fn same_namespace(watchdog: &str, run: &str) -> Result<(), GuardError> {
    if is_same_namespace(watchdog, run) {
        return Ok(());
    }
    let detail = "an rc file puts each command into a PID namespace of its own (`unshare --pid`), so that one cannot end \
                  what another one started";
    Err(GuardError::Failed(detail.to_owned()))
}

/// Searches for the nonce, and parses what follows.
pub(crate) fn greeting(text: &str, nonce: &str) -> Option<Greeting> {
    for (at, _) in text.match_indices(nonce) {
        let rest = &text[at + nonce.len()..];
        let Some(end) = rest.find(".\n") else { continue };
        // A shell that prints its commands prints the nonce too, but no numbers after it.
        let Some(greeting_text) = rest[..end].strip_prefix('=') else { continue };
        let mut words = greeting_text.split(' ');
        if let (Some(Ok(group)), Some(Ok(pid)), Some(namespace)) =
            (words.next().map(str::parse), words.next().map(str::parse), words.next())
        {
            return Some(Greeting { group, pid, namespace: namespace.to_owned() });
        }
    }
    None
}

/// A word that the server does not print by chance. The keys of the hasher come from the kernel's random numbers.
pub(crate) fn nonce() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("mer{:016x}{:016x}", word(), word())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use super::{Greeting, greeting, same_namespace, wrapper};

    #[test]
    fn every_shell_takes_the_line_as_it_is() {
        let line = wrapper("mer00", true);
        let inner: Vec<_> = line.split('\'').collect();
        let [before, small, between, script, after] = inner[..] else { panic!("two quoted words: {line}") };
        assert_eq!((before, between, after), ("exec sh -c ", " ", ""));
        assert!(![small, script].iter().any(|text| text.contains(['\\', '!', '\n'])), "{line}");
    }

    #[test]
    fn the_greeting_is_found_in_noise() {
        let found = |text: &str| greeting(text, "mer00").map(|found| (found.signal_group().ok(), found.namespace));
        assert_eq!(found("mer00=42 42 .\n"), Some((Some(42), String::new())));
        assert_eq!(found("hello mer00=42 42 pid:[7].\nrest"), Some((Some(42), "pid:[7]".to_owned())));
        assert_eq!(found("+ echo mer00=$g $$.\nmer00=7 7 .\n"), Some((Some(7), String::new())));
        for foreign in ["mer00=1 1 .\n", "mer00=0 12 .\n", "mer00=41 42 .\n"] {
            assert_eq!(found(foreign), Some((None, String::new())), "{foreign}");
        }
        for text in ["", "mer00=42 42 ", "mer00=42.\n", "mer00=.\n", "mer01=42 42 .\n"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn namespaces_that_are_known_and_differ_are_two_places() {
        assert!(same_namespace("pid:[1]", "pid:[1]").is_ok() && same_namespace("", "pid:[1]").is_ok());
        assert!(same_namespace("pid:[1]", "pid:[2]").is_err());
    }

    /// The shell is not started as the leader of a group, as with Dropbear.
    #[test]
    fn it_makes_a_group_of_its_own_where_it_has_none() {
        for shell in ["sh", "dash", "bash", "mksh"] {
            let Ok(mut child) = Command::new(shell)
                .args(["-c", &wrapper("mer00", true)])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
            else {
                continue;
            };
            let pid = i32::try_from(child.id()).expect("a pid");
            child.stdin.take().expect("piped").write_all(b"exit 0\n").expect("written");
            let greeting_text = child.wait_with_output().expect("ended").stdout;
            let greeting_text = greeting(&String::from_utf8_lossy(&greeting_text), "mer00").expect("a greeting");
            assert_eq!((greeting_text.signal_group(), greeting_text.pid), (Ok(pid), pid), "{shell}");
        }
        assert!(Greeting { group: 1, pid: 1, namespace: String::new() }.signal_group().is_err());
    }
}
