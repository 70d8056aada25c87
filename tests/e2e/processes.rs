//! Models that misbehave under a living `mer`.

use crate::support::{TestEnv, pid_in, wait_gone};

#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hold_up_the_run() {
    let env = TestEnv::ready();
    let begun = std::time::Instant::now();
    assert_eq!(env.mer(["run", "orphaning", "x"]).ok(), "done\n");
    assert!(begun.elapsed().as_secs() < 30);
    wait_gone(pid_in(&env.path("work/grandchild.pid")));
    assert_eq!(env.row()["status"], "succeeded");
}

#[test]
fn diagnostics_before_the_answer_do_not_block_it() {
    let env = TestEnv::ready();
    let input = vec![b'x'; 3_000_000];
    assert_eq!(env.piped(["--quiet", "run", "loud"], &input).ok(), "answer\n");
}

#[test]
fn megabytes_in_both_directions_at_once_do_not_hang() {
    let env = TestEnv::ready();
    let input: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    assert!(env.piped(["run", "cat", "--no-hash"], &input).ended(0).bytes == input);
}
