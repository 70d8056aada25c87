//! Lines in OpenSSH's format.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::{KnownKeys, Verdict, fingerprint};

fn key(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut key = u32::try_from(kind.len()).expect("short").to_be_bytes().to_vec();
    key.extend_from_slice(kind.as_bytes());
    key.extend_from_slice(body);
    key
}

fn line(names: &str, kind: &str, body: &[u8]) -> String {
    format!("{names} {kind} {} a comment\n", STANDARD.encode(key(kind, body)))
}

fn hashed(host: &str) -> String {
    let salt = [7; 20];
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).expect("any length");
    mac.update(host.as_bytes());
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
}

fn known(host: &str, text: &str) -> KnownKeys {
    let mut known = KnownKeys::default();
    known.add(host, None, Path::new("/k"), text);
    known
}

const ED: &str = "ssh-ed25519";

#[test]
fn names_in_all_their_forms() {
    let shown = key(ED, b"one");
    let matching = [
        ("gpu1", "gpu1"),
        ("gpu1", "other,GPU1"),
        ("gpu1", "gpu?"),
        ("gpu1.example.org", "*.example.org,!gpu2.*"),
        ("[gpu1]:2222", "[gpu1]:2222"),
        ("10.0.0.1", "gpu1,10.0.0.1"),
    ];
    for (host, names) in matching {
        assert_eq!(known(host, &line(names, ED, b"one")).verdict(&shown), Verdict::Known, "{host} {names}");
    }
    for (host, names) in [("gpu1", "gpu2"), ("gpu1", "[gpu1]:2222"), ("gpu2.example.org", "*.example.org,!gpu2.*")] {
        assert_eq!(known(host, &line(names, ED, b"one")).verdict(&shown), Verdict::Unknown, "{host} {names}");
    }
}

#[test]
fn hashed_names() {
    let text = line(&hashed("[gpu1]:2222"), ED, b"one");
    assert_eq!(known("[gpu1]:2222", &text).verdict(&key(ED, b"one")), Verdict::Known);
    assert_eq!(known("gpu1", &text).verdict(&key(ED, b"one")), Verdict::Unknown);
    assert!(matches!(known("[gpu1]:2222", &text).verdict(&key(ED, b"two")), Verdict::Changed { .. }));
}

#[test]
fn several_keys_of_a_host_are_all_known() {
    let text = line("h", "ssh-rsa", b"r") + &line("h", ED, b"e");
    let known = known("h", &text);
    assert_eq!(known.verdict(&key("ssh-rsa", b"r")), Verdict::Known);
    assert_eq!(known.verdict(&key(ED, b"e")), Verdict::Known);
    assert_eq!(known.kinds().collect::<Vec<_>>(), ["ssh-rsa", ED]);
}

#[test]
fn a_changed_key_is_told_with_the_known_one_and_its_line() {
    let text = format!("# comment\n\n{}", line("h", ED, b"old"));
    let Verdict::Changed { expected, file, line } = known("h", &text).verdict(&key(ED, b"new")) else {
        panic!("not changed")
    };
    assert_eq!(expected, format!("{ED} {}", fingerprint(&key(ED, b"old"))));
    assert_eq!((file.as_path(), line), (Path::new("/k"), 3));
    // A key of another type is no reason to trust this one.
    assert!(matches!(known("h", &text).verdict(&key("ssh-rsa", b"x")), Verdict::Changed { .. }));
}

#[test]
fn revoked_wins_over_known_and_is_no_preference() {
    let text = line("h", ED, b"k") + &format!("@revoked {}", line("*", ED, b"k"));
    let known = known("h", &text);
    assert!(matches!(known.verdict(&key(ED, b"k")), Verdict::Revoked { line: 2, .. }));
    assert_eq!(known.kinds().count(), 1);
}

#[test]
fn certificate_authorities_are_said_and_not_used() {
    let known = known("h", &format!("@cert-authority {}", line("*", ED, b"k")));
    assert_eq!(known.verdict(&key(ED, b"k")), Verdict::Unknown);
    assert_eq!(known.warnings.len(), 1);
}

#[test]
fn nonsense_is_skipped() {
    let text = "h\nh ssh-ed25519\nh ssh-ed25519 !!!\n@what h ssh-ed25519 AAAA\nh ssh-ed25519 AAAA\n";
    assert_eq!(known("h", text).verdict(&key(ED, b"k")), Verdict::Unknown);
}

#[test]
fn accepting_adds_one_line_even_after_a_line_without_end() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("new/known_hosts");
    KnownKeys::accept("a", &key(ED, b"1"), &file).expect("accepted");
    let mut text = std::fs::read_to_string(&file).expect("written");
    assert_eq!(text.lines().count(), 1);
    text.pop();
    std::fs::write(&file, text).expect("shortened");
    KnownKeys::accept("[b]:23", &key(ED, b"2"), &file).expect("accepted");
    let files = [file];
    assert_eq!(KnownKeys::read("a", None, &files).expect("read").verdict(&key(ED, b"1")), Verdict::Known);
    assert_eq!(KnownKeys::read("[b]:23", None, &files).expect("read").verdict(&key(ED, b"2")), Verdict::Known);
}

#[test]
fn a_key_that_is_known_without_the_port_is_known_unless_one_is_known_with_it() {
    let loose = |text: &str| {
        let mut known = KnownKeys::default();
        known.add("[h]:23", Some("h"), Path::new("/k"), text);
        known
    };
    let without = line("h", ED, b"one");
    assert_eq!(loose(&without).verdict(&key(ED, b"one")), Verdict::Known);
    assert_eq!(loose(&line(&hashed("h"), ED, b"one")).verdict(&key(ED, b"one")), Verdict::Known);
    assert_eq!(loose(&without).kinds().collect::<Vec<_>>(), [ED]);
    // Another server on that port is not a changed key.
    assert_eq!(loose(&without).verdict(&key(ED, b"two")), Verdict::Unknown);
    let both = without.clone() + &line("[h]:23", "ssh-rsa", b"two");
    assert_eq!(loose(&both).verdict(&key("ssh-rsa", b"two")), Verdict::Known);
    assert!(matches!(loose(&both).verdict(&key(ED, b"one")), Verdict::Changed { line: 2, .. }));
    let revoked = format!("@revoked {without}{}", line("[h]:23", ED, b"one"));
    assert!(matches!(loose(&revoked).verdict(&key(ED, b"one")), Verdict::Revoked { line: 1, .. }));
}

#[test]
fn a_pipe_is_no_known_hosts_file_and_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    assert!(KnownKeys::read("h", None, &[pipe]).is_err());
    assert_eq!(
        KnownKeys::read("h", None, &["/dev/null".into()]).expect("read").verdict(&key(ED, b"k")),
        Verdict::Unknown
    );
}
