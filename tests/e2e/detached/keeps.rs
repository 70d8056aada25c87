//! systemd that ends what a user has started with the login session. Stand-ins take the place of logind and of the user's
//! manager, in a mount namespace with the folders that systemd makes.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::support::home;
use crate::support::{Ran, TestEnv, run};

/// Prints what logind would, by the name of the property.
const BUSCTL: &str = "#!/bin/sh\nfor word do case $word in Kill*) cat \"${0%/*}/$word\" ;; esac; done\n";
/// Notes its words, and becomes the command behind its options.
const SYSTEMD_RUN: &str =
    "#!/bin/sh\necho \"$*\" >>\"${0%/*}/scopes\"\nwhile [ \"${1#-}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n";
/// Reads the control groups of a login session.
const GREP: &str = "#!/bin/sh\nPATH=${PATH#*:}\nfor word do\n    shift\n    \
                    [ \"$word\" = /proc/self/cgroup ] && word=${0%/*}/cgroup\n    set -- \"$@\" \"$word\"\ndone\n\
                    exec grep \"$@\"\n";

/// Runs a script where systemd is the manager of the machine. Returns none where nothing can be mounted.
fn under_systemd(env: &TestEnv, script: &str) -> Option<Ran> {
    let path = format!("{}:{}", env.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let unshare = |script: String| {
        let mut command = env.program("unshare".as_ref());
        command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
        command.args(["sh", "-c", &script]).env("MER", TestEnv::binary()).env("PATH", &path);
        run(command)
    };
    let mount = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir -p /run/systemd/system \
                 /var/lib/systemd/linger";
    let possible = unshare(mount.to_owned());
    if possible.code != Some(0) {
        #[expect(clippy::print_stderr, reason = "what is left out is said")]
        {
            eprintln!("LEFT OUT: nothing can be mounted here: {}", possible.stderr.trim());
        }
        return None;
    }
    Some(unshare(format!("{mount} || exit 99\n{script}")))
}

#[test]
fn a_run_that_would_end_with_the_session_is_told_with_the_remedy() {
    let env = home();
    let files = [
        ("busctl", BUSCTL),
        ("systemd-run", SYSTEMD_RUN),
        ("grep", GREP),
        ("cgroup", "0::/user.slice/user-7.slice/session-3.scope\n"),
        ("KillUserProcesses", "b true\n"),
        ("KillExcludeUsers", "as 1 \"nobody\"\n"),
        ("KillOnlyUsers", "as 0\n"),
    ];
    for (name, text) in files {
        let path = env.file(&format!("bin/{name}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let script =
        "told() { first=$(\"$MER\" run says x --detach 2>told) || exit 98; cat told; \"$MER\" wait $first || exit 97; }
        told; echo ==
        \"$MER\" server ping local 2>&1; echo ==
        : >\"/var/lib/systemd/linger/$(id -un)\"
        told; echo ==
        \"$MER\" server ping local 2>&1";
    let Some(ran) = under_systemd(&env, script) else { return };
    let parts: Vec<&str> = ran.stdout.split("==\n").collect();
    let [killed, pinged, kept, pinged_again] = parts[..] else { panic!("{ran:?}") };
    let remedy = "`sudo loginctl enable-linger USER` there keeps later ones";
    assert!(killed.contains("systemd on `local` ends what a user has started") && killed.contains(remedy), "{ran:?}");
    let ends = "1 folder of detached runs in";
    assert!(pinged.contains(ends) && pinged.contains("systemd ends them with the login session"), "{ran:?}");
    assert!(pinged.contains(remedy), "{ran:?}");
    assert!(!kept.contains("systemd") && kept.contains("goes on on `local`"), "{ran:?}");
    assert!(pinged_again.contains("2 folders of detached runs in") && !pinged_again.contains("systemd"), "{ran:?}");
    let scopes = env.read("bin/scopes");
    assert!(scopes.lines().any(|line| line.starts_with("--user --scope -q setsid sh -c ")), "{scopes}");
    assert!(env.rows().iter().all(|row| row["status"] == "succeeded"), "{:?}", env.rows());
}
