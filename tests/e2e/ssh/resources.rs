//! Units of another machine, held by a `mer` that is killed.

use std::process::Stdio;

use rustix::process::Signal;

use super::{There, server};
use crate::support::{Live, wait_until};

/// Takes the folder that stands for the graphics card, or says that another process has it, and takes a while after TERM.
const MODEL: &str = r#"exec 2>/dev/null
mkdir card || echo violated >>faults
trap 'sleep 0.6; rmdir card; exit 0' TERM HUP
read -r line
: >"began.$line"
case "$line" in hold*) while :; do sleep 0.05; done ;; esac
echo "$line $CUDA_VISIBLE_DEVICES"
rmdir card"#;

#[test]
fn a_killed_mer_frees_no_unit_of_another_machine_before_its_model_is_gone() {
    let Some(there) = There::new() else { return };
    there.apply(&format!(
        "{}resources = {{ gpu = [\"7\"] }}\norphanAfter = \"5s\"\n[models.far-card]\nservers = [\"there\"]\nneeds = {{ gpu = 1 }}\ngrace = \"3s\"\n\
         modelPath = \"~\"\nshell = true\ninferenceCommand = '''\n{MODEL}'''\n",
        server("there", &there.sshd)
    ));
    let start = |input| Live::start(there.env.with(["run", "far-card", input]), Stdio::null());
    let mut held = start("hold");
    wait_until("the model runs", || there.home("began.hold").exists().then_some(()));
    let next = start("next");
    held.signal(Signal::KILL);
    wait_until("it is killed", || held.is_over().then_some(()));
    assert_eq!(next.finish().ok().trim(), "next 7");
    assert!(!there.home("faults").exists(), "two models had the card at once");
}
