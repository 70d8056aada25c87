//! Which keys are offered, in which order.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    agent_client::AgentKey,
    key_order::{Candidate, Signer, key_order},
    public_key::PublicKey,
    wire_format::put_string,
};
use crate::ssh::{
    SshConfig, SshEnvironment,
    route::route,
    target::{Hop, Identity, Origin},
};

fn public(name: &str) -> PublicKey {
    let mut blob = Vec::new();
    put_string(&mut blob, b"ssh-ed25519");
    put_string(&mut blob, name.as_bytes());
    PublicKey { blob }
}

/// A file in OpenSSH's format, as far as it is read.
fn private(folder: &Path, name: &str, cipher: &str) -> PathBuf {
    let mut bytes = b"openssh-key-v1\0".to_vec();
    for word in [cipher, "none", ""] {
        put_string(&mut bytes, word.as_bytes());
    }
    bytes.extend_from_slice(&1_u32.to_be_bytes());
    put_string(&mut bytes, &public(name).blob);
    let file = folder.join(name);
    let text = format!("-----BEGIN-----\n{}\n-----END-----\n", STANDARD.encode(bytes));
    fs::write(&file, text).expect("a key");
    set_mode(&file, 0o600);
    file
}

fn held(name: &str) -> AgentKey {
    AgentKey { public: public(name), comment: name.to_owned() }
}

fn hop(identities: &[(&Path, Origin)], only: bool) -> Hop {
    let environment = SshEnvironment { user: Some("me".to_owned()), ..SshEnvironment::default() };
    let config = SshConfig {
        server: "h".to_owned(),
        params: mer_core::ConnParams::default(),
        environment,
        secrets: None,
        accept_new: false,
    };
    let mut hop = route(&config).expect("a route").target;
    let identity = |(path, origin): &(&Path, Origin)| Identity { path: path.to_path_buf(), origin: *origin };
    hop.identities = identities.iter().map(identity).collect();
    hop.identities_only = only;
    hop
}

/// The candidates as `agent NAME` or `file NAME`.
fn order(hop: &Hop, agent: &[AgentKey]) -> Vec<String> {
    let name = |candidate: &Candidate| match &candidate.signer {
        Signer::Agent(_) => candidate.what.replace("agent key ", "agent ").replace('`', ""),
        Signer::File(path, _) => format!("file {}", path.file_name().expect("a name").to_string_lossy()),
    };
    key_order(hop, agent).candidates.iter().map(name).collect()
}

#[test]
fn named_keys_of_the_agent_then_its_others_then_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = private(folder.path(), "own", "none");
    let locked = private(folder.path(), "locked", "aes256-ctr");
    let both = private(folder.path(), "both", "none");
    let identities =
        [(locked.as_path(), Origin::Registry), (own.as_path(), Origin::Config), (both.as_path(), Origin::Config)];
    let agent = [held("x"), held("both"), held("y")];
    let expected = ["agent both", "agent x", "agent y", "file locked", "file own", "file both"];
    assert_eq!(order(&hop(&identities, false), &agent), expected);
    let expected = ["agent both", "file locked", "file own", "file both"];
    assert_eq!(order(&hop(&identities, true), &agent), expected);
    // A key that the registry names and that needs no passphrase comes first.
    let identities = [(own.as_path(), Origin::Registry), (both.as_path(), Origin::Config)];
    let expected = ["file own", "agent both", "agent x", "agent y", "file both"];
    assert_eq!(order(&hop(&identities, false), &agent), expected);
    let identities = [(locked.as_path(), Origin::Registry)];
    assert_eq!(order(&hop(&identities, true), &[held("x"), held("locked")]), ["agent locked", "file locked"]);
}

#[test]
fn what_is_named_and_missing_is_said_and_what_is_usual_is_not() {
    let identities = [(Path::new("/no/named"), Origin::Config), (Path::new("/no/usual"), Origin::Usual)];
    let found = key_order(&hop(&identities, false), &[]);
    assert!(found.candidates.is_empty());
    assert!(found.notes.len() == 1 && found.notes[0].contains("/no/named"), "{:?}", found.notes);
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_private_key_that_others_can_read_only_names_one_of_the_agent() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = private(folder.path(), "own", "none");
    for mode in [0o644, 0o640, 0o604, 0o620, 0o660] {
        set_mode(&own, mode);
        let hop = hop(&[(own.as_path(), Origin::Registry)], true);
        let found = key_order(&hop, &[]);
        assert!(found.candidates.is_empty() && found.notes.len() == 1, "{:?}", found.notes);
        let said = format!("(mode {mode:04o}); `chmod 600 {}`", own.display());
        assert!(found.notes[0].contains(&said), "{:?}", found.notes);
        assert_eq!(order(&hop, &[held("own")]), ["agent own"]);
    }
    for mode in [0o600, 0o400, 0o700] {
        set_mode(&own, mode);
        assert_eq!(order(&hop(&[(own.as_path(), Origin::Registry)], true), &[]), ["file own"]);
    }
}

#[test]
fn a_security_key_is_used_by_way_of_an_agent() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut blob = Vec::new();
    for word in ["sk-ssh-ed25519@openssh.com", "point", "ssh:"] {
        put_string(&mut blob, word.as_bytes());
    }
    let public = PublicKey { blob };
    let file = folder.path().join("id");
    fs::write(&file, "-----BEGIN OPENSSH PRIVATE KEY-----\n").expect("a key");
    set_mode(&file, 0o600);
    fs::write(folder.path().join("id.pub"), public.line()).expect("a key");
    let hop = hop(&[(file.as_path(), Origin::Config)], true);
    let found = key_order(&hop, &[]);
    assert!(found.candidates.is_empty() && found.notes[0].contains("by way of an agent"), "{:?}", found.notes);
    assert_eq!(order(&hop, &[AgentKey { public, comment: "fob".to_owned() }]), ["agent fob"]);
}
