//! The REPL at a real terminal: each test opens a pseudo-terminal and starts this test binary again behind it, where
//! [`child`] is a REPL whose commands only print that they ran.

mod terminal;

use std::io::Write;

use terminal::{CHILD, Terminal};
use tokio::signal::unix::{self, SignalKind, signal};

use super::*;
use crate::{
    cli::{Cli, Verb},
    errors::{CliError, ExitCode},
    signal::Signal,
    ui::{Format, Ui},
};

/// Prints that a command ran. `version` writes no newline; `doctor` runs until lines are typed ahead; `log` runs until Ctrl-C
/// comes; `export` sends itself a Ctrl-C as it ends.
struct Announcer {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

fn announce(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "<{text}>").and_then(|()| out.flush()).expect("stdout");
}

impl Dispatch for Announcer {
    async fn run(&mut self, cli: Cli) -> u8 {
        match cli.verb {
            Some(Verb::Run(args)) => {
                announce(&format!("run {} {:?}", args.request.model, args.request.input().expect("input")));
            }
            Some(Verb::Log(_)) => {
                announce("running");
                self.interrupt.recv().await;
                announce("cancelled");
                return ExitCode::SIGINT;
            }
            Some(Verb::Version) => {
                let mut out = std::io::stdout().lock();
                write!(out, "no newline").and_then(|()| out.flush()).expect("stdout");
            }
            Some(Verb::Doctor(_)) => {
                announce("waiting");
                // Until two lines wait on the terminal.
                while rustix::io::ioctl_fionread(rustix::stdio::stdin()).expect("terminal") < 16 {
                    tokio::task::yield_now().await;
                }
                announce("waited");
            }
            Some(Verb::Export(_)) => {
                let this = rustix::process::getpid();
                rustix::process::kill_process(this, rustix::process::Signal::INT).expect("signal");
                announce("exported");
            }
            other => announce(&format!("{other:?}")),
        }
        0
    }

    async fn input(&mut self, model: &str, text: &str) -> u8 {
        announce(&format!("{model} {text:?}"));
        0
    }

    async fn check_model(&mut self, _: &str) -> Result<(), CliError> {
        Ok(())
    }

    async fn signal(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }

    fn ended_by(&self) -> Option<Signal> {
        None
    }
}

struct Known;

impl Names for Known {
    fn models(&self) -> Vec<String> {
        vec!["iris".to_owned(), "upper".to_owned()]
    }

    fn servers(&self) -> Vec<String> {
        vec!["local".to_owned()]
    }

    fn weights(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Not a test by itself: the process that the others start behind their terminal.
#[test]
fn child() {
    let Some(history) = std::env::var_os(CHILD) else { return };
    let options = Options { history: Some(history.into()), banner: "welcome".to_owned(), names: Box::new(Known) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let code = runtime.block_on(async {
        let listen = |kind| signal(kind).expect("signal");
        let mut announcer = Announcer {
            interrupt: listen(SignalKind::interrupt()),
            terminate: listen(SignalKind::terminate()),
            hangup: listen(SignalKind::hangup()),
        };
        run(&mut announcer, options, Ui::new(Format::Text, true)).await
    });
    #[expect(clippy::exit, reason = "the exit code is what the test behind this one looks at")]
    std::process::exit(i32::from(code.expect("repl")));
}

#[test]
fn a_person_is_greeted_and_leaves_by_ctrl_d() {
    let mut terminal = Terminal::open();
    terminal.expect("welcome").expect("mer> ").keys("ls\r").expect("<Some(Model(List))>").expect("mer> ");
    terminal.keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn a_failure_and_a_wrong_line_do_not_end_it() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").keys("modle\r").expect("did you mean `model`?").expect("mer> ");
    terminal.keys("ls\r").expect("<Some(Model(List))>").expect("mer> ").keys("quit\r");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn a_byte_that_is_not_utf8_costs_its_line_and_no_more() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").bytes(b"run upper caf\xe9 run upper rest\r").expect("mer> ");
    terminal.keys("run upper next\r").expect("<run upper").expect("mer> ").keys("\u{4}");
    assert_eq!(terminal.ended(), Some(0));
    assert!(!terminal.seen().contains("rest"), "{}", terminal.seen());
    assert!(terminal.seen().contains("next"), "{}", terminal.seen());
}

#[test]
fn ctrl_c_at_the_prompt_clears_the_line_and_during_a_command_is_the_commands() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").keys("run iris 1\x03").expect("mer> ").keys("ls\r").expect("<Some(Model(List))>");
    assert!(!terminal.seen().contains("<run"), "{}", terminal.seen());
    terminal.expect("mer> ").keys("log show\r").expect("<running>").keys("\x03").expect("<cancelled>");
    terminal.expect("mer> ").keys("run iris 'a\r").keys("\x03").expect("mer> ").keys("ls\r");
    terminal.expect("<Some(Model(List))>").expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn a_ctrl_c_that_came_too_late_for_its_command_ends_nothing() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").keys("export\r").expect("<exported>").expect("mer> ");
    terminal.keys("ls\r").expect("<Some(Model(List))>").expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn names_verbs_and_flags_complete() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").keys("ru\tir\t--se\tlo\t5\r").expect("<run iris Text([53])>");
    terminal.expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn an_entry_of_several_lines_is_one_item_of_a_history_that_lasts() {
    let mut terminal = Terminal::open();
    let ran = format!("<run m {:?}>", crate::cli::Input::Text(b"a\nb".to_vec()));
    terminal.expect("mer> ").keys("run m 'a\rb'\r").expect(&ran);
    terminal.expect("mer> ").keys("ls\r").expect("<Some(Model(List))>");
    terminal.expect("mer> ").keys(" run secret 1\r").expect("<run secret");
    terminal.expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
    let mut terminal = terminal.again();
    // Up twice, and then the same by Ctrl-R.
    terminal.expect("mer> ").keys("\x1b[A\x1b[A\r").expect(&ran);
    terminal.expect("mer> ").keys("\x12run\r").expect(&ran);
    terminal.expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn pasted_lines_are_commands_one_after_the_other_and_a_used_model_gets_plain_lines() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").keys("\x1b[200~ls\nuse upper\ndon't\x1b[201~").keys("\r");
    terminal.expect("<Some(Model(List))>").expect("<upper \"don't\">").expect("upper> ");
    terminal.keys("\"\"\"a\rb\"\"\"\r").expect("<upper \"a\\nb\">").expect("upper> ");
    terminal.keys("/ls\r").expect("<Some(Model(List))>").expect("upper> ").keys("/use\r").expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn an_answer_without_a_newline_stays_and_is_marked() {
    let mut terminal = Terminal::open();
    terminal
        .expect("mer> ")
        .keys("version\r")
        .expect("no newline")
        .expect("\u{23ce}")
        .expect("\r\x1b[K")
        .expect("mer> ");
    terminal.keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
    // On a line that is empty the mark is drawn over: it takes exactly one line with the blanks behind it.
    let seen = terminal.seen();
    let (_, behind) = seen.split_once('\u{23ce}').expect("a mark");
    let filled = behind.split_once('\r').expect("the start of the line").0.replace("\x1b[0m", "");
    assert_eq!(filled, " ".repeat(79));
}

#[test]
fn lines_that_are_typed_while_a_command_runs_are_all_run() {
    let mut terminal = Terminal::open();
    terminal
        .expect("mer> ")
        .keys("doctor\r")
        .expect("<waiting>")
        .keys("run a 1\rrun b 2\rrun c 3\r")
        .expect("<waited>");
    terminal.expect("<run a ").expect("<run b ").expect("<run c ").expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn an_open_quote_has_a_prompt_of_its_own() {
    let mut terminal = Terminal::open();
    let ran = format!("<run m {:?}>", crate::cli::Input::Text(b"a\nb".to_vec()));
    terminal.expect("mer> ").keys("run m 'a\r").expect("  '> ").keys("b'\r").expect(&ran);
    terminal.expect("mer> ").keys("use upper\r").expect("upper> ").keys("\"\"\"a\r").expect(" \"\"\"> ").keys("b\r");
    terminal.expect(" \"\"\"> ").keys("\x03").expect("upper> ").keys("\"\"\"c\r").expect(" \"\"\"> ").keys("\x04");
    terminal.expect("upper> ").keys("d\r").expect("<upper \"d\">").expect("upper> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
    assert!(!terminal.seen().contains("<upper \"a"), "{}", terminal.seen());
}

#[test]
fn after_a_stop_the_line_is_drawn_again_and_can_be_edited() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ").keys("run m 1").expect("run m 1");
    terminal.signal(rustix::process::Signal::STOP);
    // A shell does this when it takes the terminal back.
    terminal.make_cooked();
    assert!(terminal.echoes());
    terminal.signal(rustix::process::Signal::CONT);
    terminal.expect("mer> run m 1");
    assert!(!terminal.echoes(), "the editor has the terminal in raw mode again");
    terminal.keys("2\r").expect("<run m Text([49, 50])>").expect("mer> ").keys("\x04");
    assert_eq!(terminal.ended(), Some(0));
}

#[test]
fn sigterm_at_the_prompt_ends_it_and_gives_the_terminal_back() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ");
    assert!(!terminal.echoes(), "the editor has the terminal in raw mode");
    terminal.signal(rustix::process::Signal::TERM);
    assert_eq!(terminal.ended(), Some(143));
    assert!(terminal.echoes(), "the terminal is as it was");
}

#[test]
fn it_ends_when_the_terminal_is_gone() {
    let mut terminal = Terminal::open();
    terminal.expect("mer> ");
    let mut child = terminal.close();
    assert_eq!(terminal::wait(&mut child), Some(129));
}
