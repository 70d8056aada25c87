//! Full and read-only disks, each mounted in a mount namespace. Where the machine does not allow that, these tests print
//! that they are skipped.

use crate::{
    log::hourly,
    support::{Ran, TestEnv, record, run},
};

/// Runs a shell script in which `$MER` is the binary and `$DISK` a disk of this size, mounted at the place of the data
/// folder.
fn on_small_disk(env: &TestEnv, size: &str, script: &str) -> Option<Ran> {
    let disk = env.path("data/mer");
    std::fs::create_dir_all(&disk).expect("mount point");
    let unshare = |script: String| {
        let mut command = env.program("unshare".as_ref());
        command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
        command.args(["sh", "-c", &script]);
        command.env("MER", TestEnv::binary()).env("DISK", &disk).env("TEMPLATE", env.path("data/template"));
        run(command)
    };
    let mount = format!("mount -t tmpfs -o size={size} none \"$DISK\"");
    let possible = unshare(mount.clone());
    if possible.code != Some(0) {
        #[expect(clippy::print_stderr, reason = "what is left out is said")]
        {
            eprintln!("LEFT OUT: no disk can be mounted here: {}", possible.stderr.trim());
        }
        return None;
    }
    Some(unshare(format!("{mount} || exit 99\n{script}")))
}

/// Makes a data folder with the tests' models at `data/template`, to be copied onto the disk.
fn with_template() -> TestEnv {
    let env = TestEnv::ready();
    env.mer(["model", "list"]).ok();
    std::fs::rename(env.path("data/mer"), env.path("data/template")).expect("renamed");
    env
}

/// Copies the template onto the disk, lets `mer` write a snapshot there, and fills the rest of the disk.
const FILL: &str = "cp -a \"$TEMPLATE/.\" \"$DISK\"; \"$MER\" run cat before || exit 98
    cat /dev/zero > \"$DISK/filler\" 2> /dev/null";

#[test]
fn a_full_disk_at_the_first_use_is_74_with_a_hint_and_works_with_more_space() {
    let mut codes = Vec::new();
    for size in ["8k", "16k", "24k", "32k", "64k"] {
        let env = TestEnv::new();
        let script = "\"$MER\" run echo x; echo \"code $?\"
            mount -o remount,size=16m \"$DISK\" || exit 98
            \"$MER\" --quiet run echo y; \"$MER\" --quiet log list; \"$MER\" log list --json";
        let Some(ran) = on_small_disk(&env, size, script) else { return };
        let mut lines: Vec<&str> = ran.stdout.lines().collect();
        // With a size that is just large enough the run succeeds and is recorded.
        let answered = lines[0] == "x";
        if answered {
            lines.remove(0);
        } else {
            let told = ran.stderr.lines().filter(|line| line.starts_with("mer: ")).count();
            assert!(told == 1 && ran.stderr.contains("\nhint: the disk is full"), "{size}: {ran:?}");
        }
        assert_eq!(lines[0], if answered { "code 0" } else { "code 74" }, "{size}: {ran:?}");
        assert_eq!((lines[1], lines.len()), ("y", 3 + usize::from(answered)), "{size}: {ran:?}");
        codes.push(lines[0].to_owned());
    }
    assert!(codes.iter().any(|code| code == "code 74"), "these disks were all large enough: {codes:?}");
}

#[test]
fn a_run_that_cannot_be_put_on_record_is_not_started() {
    let env = with_template();
    let script = format!(
        "{FILL}
        \"$MER\" run slow x; echo \"code $?\"
        rm \"$DISK/filler\"
        \"$MER\" run cat after; \"$MER\" log list --json"
    );
    let Some(ran) = on_small_disk(&env, "4m", &script) else { return };
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[..3], ["before", "code 74", "after"], "{ran:?}");
    assert_eq!(lines.len(), 5, "two runs are on record: {ran:?}");
    assert!(ran.stderr.contains("`slow` could not be recorded, so nothing was started"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the disk is full"), "{}", ran.stderr);
    assert!(!env.path("work/slow.pid").exists());
}

#[test]
fn a_log_that_cannot_be_written_loses_nothing() {
    let env = with_template();
    let script = format!(
        "{FILL}
        \"$MER\" log list --json > /dev/null; echo \"code $?\"
        rm \"$DISK/filler\"
        \"$MER\" log list --json"
    );
    let Some(ran) = on_small_disk(&env, "4m", &script) else { return };
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((lines[0], lines.len()), ("before", 3), "{ran:?}");
    assert!(lines[1] == "code 74" || lines[1] == "code 0", "{ran:?}");
    assert!(lines[2].contains("\"succeeded\""), "{ran:?}");
}

#[test]
fn weights_that_do_not_fit_on_the_disk_are_74_and_make_no_version() {
    let env = with_template();
    env.file("work/weights", crate::support::noise(1, 6 << 20));
    env.file("work/small", b"small");
    let script = "cp -a \"$TEMPLATE/.\" \"$DISK\"
        \"$MER\" weights put cat weights; echo \"code $?\"
        \"$MER\" run cat goes-on && \"$MER\" log list --json | wc -l
        mount -o remount,size=160m \"$DISK\" || exit 98
        \"$MER\" weights list --json; \"$MER\" weights put cat small --quiet; \"$MER\" weights get cat:1; echo
        \"$MER\" weights gc --silent 0s --quiet; \"$MER\" weights gc --silent 0s --json
        \"$MER\" weights put cat weights --quiet; \"$MER\" weights get cat:2 | cmp - weights && echo same";
    let Some(ran) = on_small_disk(&env, "4m", script) else { return };
    let nothing = r#"{"uploads":0,"payloads":0,"chunks":0,"bytes":0}"#;
    assert_eq!(ran.stdout, format!("code 74\ngoes-on\n1\nsmall\n{nothing}\nsame\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the disk is full"), "{}", ran.stderr);
}

#[test]
fn a_read_only_disk_is_74_with_a_hint() {
    let env = with_template();
    let script = "cp -a \"$TEMPLATE/.\" \"$DISK\"; mount -o remount,ro \"$DISK\" || exit 98
        \"$MER\" run cat x; echo \"code $?\"; \"$MER\" log list; echo \"code $?\"";
    let Some(ran) = on_small_disk(&env, "4m", script) else { return };
    assert_eq!(ran.stdout, "code 74\ncode 74\n", "{ran:?}");
    assert_eq!(ran.stderr.matches("hint: the file system is read-only").count(), 2, "{}", ran.stderr);
}

#[test]
fn weights_that_do_not_fit_in_the_cache_are_74_and_leave_no_file() {
    let env = with_template();
    env.file("work/weights", vec![b'w'; 3 << 20]);
    let script = "\"$MER\" --data-dir \"$TEMPLATE\" weights put cat weights --quiet || exit 98
        MER_CACHE_DIR=\"$DISK\" \"$MER\" --data-dir \"$TEMPLATE\" run cat:1 x; echo \"code $?\"; ls -A \"$DISK/weights\"
        mount -o remount,size=16m \"$DISK\" || exit 98
        MER_CACHE_DIR=\"$DISK\" \"$MER\" --data-dir \"$TEMPLATE\" run cat:1 x; ls -A \"$DISK/weights\" | wc -l";
    let Some(ran) = on_small_disk(&env, "1m", script) else { return };
    assert_eq!(ran.stdout, "code 74\nx\n1\n", "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot put the weights `cat:1` into"), "{}", ran.stderr);
}

#[test]
fn a_full_disk_in_the_middle_of_a_prune_loses_nothing_and_the_next_one_goes_on() {
    let env = TestEnv::ready();
    record(&env, "embedded", &hourly(1200));
    std::fs::rename(env.path("data/mer"), env.path("data/template")).expect("renamed");
    let script = "cp -a \"$TEMPLATE/.\" \"$DISK\"; \"$MER\" log list > /dev/null || exit 98
        cat /dev/zero > \"$DISK/filler\" 2> /dev/null
        \"$MER\" log prune --older-than 2026-06-01 --utc; echo \"code $?\"
        rm \"$DISK/filler\"
        \"$MER\" log export --jsonl --quiet > left.jsonl; wc -l < left.jsonl
        \"$MER\" log prune --older-than 2026-06-01 --utc --json; \"$MER\" log export --jsonl --quiet > rest.jsonl
        wc -l < rest.jsonl; \"$MER\" run cat goes-on";
    let Some(ran) = on_small_disk(&env, "32m", script) else { return };
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((lines[0], lines[3], lines[4]), ("code 74", "456", "goes-on"), "{ran:?}");
    assert!(ran.stderr.contains("hint: the disk is full"), "{}", ran.stderr);
    // Each step is deleted as a whole or not at all; 744 accesses are old.
    let left: usize = lines[1].trim().parse().expect("a number");
    assert!([1200, 700, 456].contains(&left), "{ran:?}");
    assert!(lines[2].contains(&format!("\"rows\":{}", left - 456)), "{ran:?}");
    assert!(env.read("work/left.jsonl").lines().all(|line| line.ends_with('}')), "{ran:?}");
}

#[test]
fn an_export_and_a_report_to_a_full_disk_leave_the_former_files() {
    let env = TestEnv::ready();
    record(&env, "embedded", &hourly(400));
    std::fs::rename(env.path("data/mer"), env.path("data/template")).expect("renamed");
    let script = "for name in log.csv log.jsonl page.html; do echo before > \"$DISK/$name\"; done
        mer() { \"$MER\" --data-dir \"$TEMPLATE\" \"$@\"; echo \"code $?\"; }
        mer log export --csv -o \"$DISK/log.csv\"; mer log export --jsonl -o \"$DISK/log.jsonl\"
        cat /dev/zero > \"$DISK/filler\" 2> /dev/null
        mer report --since 2026-05-01 -o \"$DISK/page.html\"
        ls -A \"$DISK\"; cat \"$DISK/log.csv\" \"$DISK/log.jsonl\" \"$DISK/page.html\"";
    let Some(ran) = on_small_disk(&env, "64k", script) else { return };
    let expected = "code 74\ncode 74\ncode 74\nfiller\nlog.csv\nlog.jsonl\npage.html\nbefore\nbefore\nbefore\n";
    assert_eq!(ran.stdout, expected, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("No space left on device").count(), 3, "{}", ran.stderr);
}
