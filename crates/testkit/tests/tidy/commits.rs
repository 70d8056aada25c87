//! Subjects of commits: `area: what changes`, at most 72 characters.

use std::{io::Write, process::Command};

use crate::{assert_none, root};

/// The last commit before the rule.
const SINCE: &str = "5ae768d12ab3928966d870503650ab762ac3c991";
/// The longest subject, in characters.
const LONGEST: usize = 72;

/// What is wrong with a subject.
fn fault(subject: &str) -> Option<String> {
    let length = subject.chars().count();
    let area = subject.split_once(": ").map(|(area, _)| area).filter(|area| !area.is_empty());
    let is_area =
        |area: &str| area.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_/., ".contains(c));
    if length > LONGEST {
        Some(format!("{length} characters: {subject}"))
    } else if !area.is_some_and(is_area) {
        Some(format!("is not `area: what changes`: {subject}"))
    } else {
        None
    }
}

/// What git prints; none where it fails.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root()).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn subjects_name_an_area_and_are_short() {
    let range = format!("{SINCE}..HEAD");
    let is_known = git(&["merge-base", "--is-ancestor", SINCE, "HEAD"]).is_some();
    let Some(subjects) = git(&["log", "--no-merges", "--format=%s", &range]).filter(|_| is_known) else {
        // Past the capture of the test runner.
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED subjects of commits: {SINCE} is not in the history here");
        return;
    };
    let faults: Vec<String> = subjects.lines().filter_map(fault).collect();
    assert_none(&faults, "subjects of commits (CONTRIBUTING.md)");
}

#[test]
fn a_subject_without_an_area_or_of_many_words_is_a_fault() {
    for good in ["dal: one retry loop", "driver, meal: names", "tests/e2e: snapshots: taken first"] {
        assert_eq!(fault(good), None);
    }
    let long = format!("dal: {}", "x".repeat(LONGEST));
    for bad in ["One retry loop", "Merged: one retry loop", ": nothing", "dal:one retry loop", &long] {
        assert!(fault(bad).is_some(), "{bad}");
    }
}
