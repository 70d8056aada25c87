//! Resources of a machine, across the `mer` of one user: limits hold whatever is killed.

use std::{process::Stdio, thread, time::Duration};

use crate::support::{Live, OnServer, TestEnv, run, wait_until};

/// Takes the lock that stands for the graphics card, or says that another process has it, and takes a while after TERM.
/// Its stderr is closed by then, so it must not write there.
const MODEL: &str = r#"exec 2>/dev/null
mkdir "$DIR/card" 2>/dev/null || echo violated >>"$DIR/faults"
trap 'sleep 0.6; rmdir "$DIR/card"; exit 0' TERM
read -r line
: >"$DIR/began.$line"
case "$line" in hold*) while :; do sleep 0.05; done ;; esac
sleep 0.02
echo "$line $CUDA_VISIBLE_DEVICES"
rmdir "$DIR/card""#;

fn env(resources: &str, params: &str) -> TestEnv {
    let env = TestEnv::new();
    env.file("config/mer/mer.toml", format!("[resources]\n{resources}\n"));
    let dir = env.path("work");
    env.apply(format!(
        "[models.card]\nprotocol = \"oneshot\"\ninferenceCommand = [\"sh\", \"-c\", '''{MODEL}''']\ngrace = \"3s\"\n\
         env = {{ DIR = \"{}\" }}\n{params}\n",
        dir.display()
    ));
    env
}

fn start(env: &TestEnv, input: &str) -> Live {
    Live::start(env.with(["run", "card", input]), Stdio::null())
}

#[test]
fn a_killed_mer_frees_nothing_before_its_model_is_gone() {
    let env = env("gpu = [\"7\"]", "needs = { gpu = 1 }");
    let rounds = std::env::var("MER_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4);
    for round in 0..rounds {
        let mut held = start(&env, &format!("hold{round}"));
        wait_until("the model runs", || env.path(&format!("work/began.hold{round}")).exists().then_some(()));
        let next = start(&env, &format!("next{round}"));
        if round % 2 == 0 {
            thread::sleep(Duration::from_millis(50));
        }
        held.signal(rustix::process::Signal::KILL);
        wait_until("it is killed", || held.is_over().then_some(()));
        assert_eq!(next.finish().ok().trim(), format!("next{round} 7"));
    }
    assert!(!env.path("work/faults").exists(), "two models had the card at once");
}

#[test]
fn many_runs_at_once_share_what_there_is() {
    let env = env("slots = 1", "");
    let runs: Vec<Live> = (0..12).map(|number| start(&env, &format!("n{number}"))).collect();
    for run in runs {
        run.finish().ok();
    }
    assert!(!env.path("work/faults").exists(), "two models ran at once");
}

#[test]
fn bounds_on_the_wait_are_75_and_impossible_needs_78() {
    let env = env("gpu = 1", "needs = { gpu = 1 }\nqueueTimeout = \"300ms\"");
    let mut held = start(&env, "hold");
    wait_until("the model runs", || env.path("work/began.hold").exists().then_some(()));
    let told = env.mer(["run", "card", "x"]).failed(75);
    assert!(told.contains("queueTimeout") && told.contains("a free `gpu`"), "{told}");
    assert_eq!(env.rows()[0]["status"], "timeout");
    held.signal(rustix::process::Signal::TERM);
    wait_until("it has ended", || held.is_over().then_some(()));
    env.mer(["model", "set", "card", "--needs", "gpu=2", "--allow-changes", "--quiet"]).ok();
    let told = env.mer(["run", "card", "x"]).failed(78);
    assert!(told.contains("`gpu` = 2") && told.contains("`local`"), "{told}");
}

#[test]
fn a_user_that_may_not_claim_starts_nothing_and_learns_the_table() {
    let Some((server, database, place)) = OnServer::on_postgres() else { return };
    let root = place.env.path("work");
    place.apply(format!(
        "[servers.lab]\nconnType = \"local\"\nresources = {{ gpu = 1 }}\n[models.touch]\nservers = [\"lab\"]\n\
         needs = {{ gpu = 1 }}\ninferenceCommand = [\"touch\", \"{}/started\"]\n",
        root.display()
    ));
    server.sql(
        &database,
        "CREATE ROLE few LOGIN; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO few;
         REVOKE ALL ON \"Claims\" FROM few",
    );
    let mut command = place.env.with(["run", "touch", "x"]);
    command.env("DB_CONNECTION_URL", server.url_of("few", &database));
    let told = run(command).failed(77);
    assert!(told.contains("Claims"), "{told}");
    assert!(!root.join("started").exists());
    place.mer(["run", "touch", "x"]).ended(0);
    assert!(root.join("started").exists());
    server.sql(&database, "DROP OWNED BY few; DROP ROLE few");
}

/// A machine that is `local` for one model and a server of its pool for another has its units once.
#[test]
fn two_names_of_one_pool_share_their_units() {
    let env = TestEnv::new();
    env.file("config/mer/mer.toml", "pool = \"lab\"\n[resources]\ngpu = [\"7\"]\n");
    let dir = env.path("work");
    let model = |name: &str, server: &str| {
        format!(
            "[models.{name}]\nservers = [\"{server}\"]\nprotocol = \"oneshot\"\ngrace = \"3s\"\n\
             inferenceCommand = [\"sh\", \"-c\", '''{MODEL}''']\nneeds = {{ gpu = 1 }}\nenv = {{ DIR = \"{}\" }}\n",
            dir.display()
        )
    };
    let lab = "[servers.desk]\nconnType = \"local\"\npool = \"lab\"\nresources = { gpu = [\"7\"] }\n";
    env.apply(format!("{lab}{}{}", model("here", "local"), model("there", "desk")));
    let runs: Vec<Live> = (0..8)
        .map(|number| {
            let name = ["here", "there"][number % 2];
            Live::start(env.with(["run", name, &format!("n{number}")]), Stdio::null())
        })
        .collect();
    for (number, run) in runs.into_iter().enumerate() {
        assert_eq!(run.finish().ok(), format!("n{number} 7\n"));
    }
    assert!(!env.path("work/faults").exists(), "two models had the card at once");
}
