//! Kept models that do not fit into one graphics card together.

use std::{process::Stdio, thread};

use rustix::process::{Pid, Signal, kill_process};

use super::support::Home;
use crate::support::{Live, wait_gone, wait_until};

/// Takes the lock that stands for the graphics card for as long as it lives, and takes a while to end.
const MODEL: &str = r#"
protocol = "lines"
needs = { gpu = 1 }
keepalive = "10m"
grace = "3s"
shell = true
inferenceCommand = '''
exec 2>/dev/null
mkdir "$DIR/card" || echo violated >>"$DIR/faults"
end() { sleep "$LAST"; rmdir "$DIR/card"; exit 0; }
trap end TERM
while read -r line; do echo "$NAME $line $CUDA_VISIBLE_DEVICES"; done
end
'''
"#;

fn home(last: &str) -> Home {
    let home = Home::new();
    home.env.file("config/mer/mer.toml", "[resources]\ngpu = [\"7\"]\n");
    let dir = home.env.path("work");
    let models = ["one", "two", "three"].map(|name| {
        format!("[models.{name}]{MODEL}env = {{ DIR = '{}', NAME = '{name}', LAST = '{last}' }}\n", dir.display())
    });
    home.env.apply(models.concat());
    home
}

#[test]
fn three_models_take_turns_on_the_only_card() {
    let home = home("0.05");
    thread::scope(|scope| {
        for name in ["one", "two", "three"] {
            let home = &home;
            scope.spawn(move || {
                for number in 0..4 {
                    let number = number.to_string();
                    assert_eq!(home.mer(["run", name, &number]).ok(), format!("{name} {number} 7\n"));
                }
            });
        }
    });
    assert!(!home.env.path("work/faults").exists(), "two models had the card at once");
    assert_eq!(home.mer(["ps", "--json"]).objects().len(), 1, "one of them is kept");
}

#[test]
fn a_killed_resident_frees_the_card_when_its_model_is_gone() {
    let home = home("0.6");
    for round in 0..3 {
        let name = ["one", "two"][round % 2];
        assert_eq!(home.mer(["run", name, "x"]).ok(), format!("{name} x 7\n"));
        let resident = home.resident().expect("a resident");
        let next = Live::start(home.with(["run", "three", "y"]), Stdio::null());
        let pid = Pid::from_raw(resident.try_into().expect("a pid")).expect("a pid");
        kill_process(pid, Signal::KILL).expect("killed");
        wait_gone(resident);
        // It may have been served by the resident that was killed.
        let ended = next.finish();
        assert!(matches!(ended.code, Some(0 | 69)), "{}", ended.stderr);
        assert_eq!(home.mer(["run", "three", "z"]).ok(), "three z 7\n");
    }
    assert!(!home.env.path("work/faults").exists(), "two models had the card at once");
    wait_until("one is kept", || (home.mer(["ps", "--json"]).objects().len() == 1).then_some(()));
}
