//! However a call of the launcher ends, the run is judged by the process, and the process ends.

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::{Home, begun};
use crate::support::{alive, wait_gone};

#[test]
fn a_launcher_that_is_cut_and_ends_with_0_is_no_success() {
    let home = Home::new();
    for cut in ["both", "process", "watchdog"] {
        let (live, model) = begun(&home, "waits");
        let (process, watchdog) = home.pair(model);
        for (name, launcher) in [("process", process), ("watchdog", watchdog)] {
            if [name, "both"].contains(&cut) {
                mer_testkit::processes::signal(launcher, Signal::USR1);
            }
        }
        let told = live.finish().ended(69).stderr;
        assert!(told.contains("how the model ended is not known: "), "{cut}: {told}");
        assert_eq!(home.env.rows()[0]["status"], json!("unreachable"), "{cut}");
        wait_gone(model);
    }
}

#[test]
fn a_connection_that_is_silent_ends_the_process_over_there() {
    let home = Home::with("orphanAfter = '2s'");
    let (live, model) = begun(&home, "waits");
    let (process, watchdog) = home.pair(model);
    for launcher in [process, watchdog] {
        let group = Pid::from_raw(launcher.cast_signed()).expect("a pid");
        kill_process_group(group, Signal::STOP).expect("stopped");
    }
    wait_gone(model);
    let told = live.finish().ended(69).stderr;
    assert!(told.contains("gave no sign of life for 2s"), "{told}");
    wait_gone(process);
    wait_gone(watchdog);
}

#[test]
fn signals_and_bounds_reach_the_process_over_there() {
    let home = Home::new();
    let (live, model) = begun(&home, "polite");
    live.signal(Signal::TERM);
    let ran = live.finish().ended(143);
    assert_eq!(ran.stdout, "up\nbye\n");
    let said = "mer: `polite` on `pod`: cancelled by SIGTERM; its process on `pod` is gone\n";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(!alive(model));
    assert_eq!(home.env.rows()[0]["status"], json!("cancelled"));

    home.env.mer(["run", "waits", "x", "--timeout", "2s"]).ended(124);
    let model = home.model();
    assert!(!alive(model), "after a timeout");
}

#[test]
fn a_killed_mer_ends_the_process_over_there() {
    let home = Home::new();
    for name in ["waits", "polite"] {
        let (live, model) = begun(&home, name);
        let (process, watchdog) = home.pair(model);
        live.signal(Signal::KILL);
        for pid in [model, process, watchdog] {
            wait_gone(pid);
        }
        drop(live);
    }
}

#[test]
fn a_killed_watchdog_is_replaced_and_a_killed_shell_ends_its_process() {
    let home = Home::new();
    let (live, model) = begun(&home, "polite");
    let (_, watchdog) = home.pair(model);
    let shell = home.calls().into_iter().find(|(launcher, _)| *launcher == watchdog).expect("its call").1;
    mer_testkit::processes::kill(shell);
    crate::support::wait_until("another watchdog", || (home.calls().len() == 3).then_some(()));
    live.signal(Signal::TERM);
    assert_eq!(live.finish().ended(143).stdout, "up\nbye\n");
    assert!(!alive(model));

    let (live, model) = begun(&home, "waits");
    let (process, _) = home.pair(model);
    let shell = home.calls().into_iter().find(|(launcher, _)| *launcher == process).expect("its call").1;
    mer_testkit::processes::kill(shell);
    live.finish().ended(69);
    wait_gone(model);
}
