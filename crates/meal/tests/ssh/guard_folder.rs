//! The folder in which wrappers put their groups, and wrappers that are started in advance.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use mer_core::Exit;
use mer_meal::Executor;
use mer_testkit::{
    processes,
    sshd::{Shell, Sshd},
};

use crate::support::{BOUND, command, config, fake, is_ended_by, run, text};

/// The folders of the watchdogs of this server: each is the working directory of one.
fn folders(sshd: &Sshd) -> Vec<PathBuf> {
    let of = |pid: u32| fs::read_link(format!("/proc/{pid}/cwd")).ok();
    let is_folder = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mer"));
    let mut found: Vec<_> = processes::with_nonce(sshd.nonce()).into_iter().filter_map(of).filter(is_folder).collect();
    found.retain(|path| path.starts_with("/dev/shm") || path.starts_with("/tmp") || path.starts_with("/run"));
    found.sort();
    found.dedup();
    found
}

async fn runs(executor: &Executor, count: u8) {
    for code in 0..count {
        let (ended, out) =
            run(executor, &command(&["sh", "-c", &format!("cat; exit {code}")]), code.to_string().as_bytes()).await;
        assert_eq!((ended.exit, out), (Some(Exit::Code(code.into())), code.to_string().into_bytes()));
    }
}

#[tokio::test]
async fn a_folder_is_there_while_a_session_is_and_not_later() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    runs(&executor, 5).await;
    let found = folders(&sshd);
    let [folder] = &found[..] else { panic!("{found:?}") };
    assert_eq!(fs::metadata(folder).expect("a folder").permissions().mode() & 0o777, 0o700);
    let folder = folder.clone();
    drop(executor);
    processes::until("the folder is removed", BOUND, || {
        !folder.exists() && !PathBuf::from(format!("{}-", folder.display())).exists()
    });
}

/// Each group is acknowledged then.
#[tokio::test]
async fn where_no_folder_can_be_made_everything_works_without() {
    let programs = tempfile::tempdir().expect("a folder");
    let mkdir = programs.path().join("mkdir");
    fs::write(&mkdir, "#!/bin/sh\nexit 1\n").expect("written");
    fs::set_permissions(&mkdir, fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let rc = format!("PATH={}:$PATH; export PATH", text(programs.path()));
    let Some(sshd) = Sshd::builder().shell(Shell::Bash, &rc).start() else { return };
    let executor = Executor::ssh(config(&sshd));
    runs(&executor, 5).await;
    assert_eq!(folders(&sshd), [] as [PathBuf; 0]);
    is_ended_by(15, &executor, &["say-and-sleep"]).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_is_not_needed() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    runs(&executor, 3).await;
    for folder in folders(&sshd) {
        // A wrapper that is started in advance may put a file there meanwhile.
        processes::until("it is removed", BOUND, || fs::remove_dir_all(&folder).is_ok());
    }
    runs(&executor, 5).await;
    is_ended_by(15, &executor, &["say-and-sleep"]).await;
    is_ended_by(9, &executor, &["ignore-term"]).await;
}

/// A wrapper in advance takes the only channel of the server, and the next run takes the wrapper.
#[tokio::test]
async fn a_wrapper_in_advance_costs_no_run_its_channel() {
    let Some(sshd) = Sshd::builder().max_sessions(2).start() else { return };
    let mut config = config(&sshd);
    config.params.max_sessions = Some(1);
    let executor = Executor::ssh(config);
    runs(&executor, 20).await;
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1);
}

#[tokio::test]
async fn a_wrapper_in_advance_that_is_gone_is_replaced() {
    let Some(sshd) = Sshd::start() else { return };
    let executor = Executor::ssh(config(&sshd));
    for _ in 0..3 {
        runs(&executor, 4).await;
        let folders = folders(&sshd);
        let waits = |pid: &u32| {
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            processes::describe(*pid).contains("sh -c") && !folders.contains(&cwd)
        };
        let waiting: Vec<_> = processes::with_nonce(sshd.nonce()).into_iter().filter(waits).collect();
        waiting.into_iter().for_each(processes::kill);
        let (ended, _) = run(&executor, &fake(&["exit", "6"]), b"").await;
        assert_eq!(ended.exit, Some(Exit::Code(6)));
    }
}
