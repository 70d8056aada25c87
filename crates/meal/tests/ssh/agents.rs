//! The agent: which of its keys are offered, and what happens if it does not answer.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use mer_core::Bound;
use mer_meal::{SecretRequest, SshError};
use mer_testkit::{
    ssh_agent::SshAgent,
    sshd::{KeyType, Sshd},
};

use crate::{
    keys::{refused, works},
    support::{Home, config, folder, text},
};

/// Creates a key pair.
pub(crate) fn key(folder: &Path, name: &str, kind: &str) -> PathBuf {
    let file = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]).arg(&file).status();
    assert!(made.expect("ssh-keygen").success());
    file
}

/// A copy of a key without its passphrase.
fn decrypted(key: &Path, passphrase: &str, folder: &Path) -> PathBuf {
    let copy = folder.join("decrypted");
    fs::copy(key, &copy).expect("a copy");
    let done = Command::new("ssh-keygen").args(["-q", "-p", "-P", passphrase, "-N", "", "-f"]).arg(&copy).status();
    assert!(done.expect("ssh-keygen").success());
    copy
}

/// Encrypts a key with the passphrase `secret`.
fn encrypt(key: &Path) {
    let done = Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(key).status();
    assert!(done.expect("ssh-keygen").success());
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[tokio::test]
async fn a_key_in_the_agent_is_not_asked_a_passphrase_for() {
    let Some(sshd) = Sshd::builder().passphrase("open sesame").start() else { return };
    let Some(agent) = SshAgent::start() else { return };
    let (_folder, path) = folder();
    agent.add(&decrypted(sshd.client_key(), "open sesame", &path));
    let mut config = config(&sshd);
    config.environment.agent = Some(agent.socket().to_owned());
    config.secrets = Some(Arc::new(|request: SecretRequest<'_>| panic!("asked for {request:?}")));
    works(config.clone()).await;
    // Nor if another key of the agent is accepted.
    let other = key(&path, "other", "ed25519");
    let encrypted = path.join("encrypted");
    fs::copy(&other, &encrypted).expect("a copy");
    encrypt(&encrypted);
    config.params.identity_file = Some(text(&encrypted));
    works(config).await;
}

#[tokio::test]
async fn a_passphrase_is_asked_for_only_where_the_server_takes_the_key() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let other = key(&path, "other", "ed25519");
    encrypt(&other);
    let mut config = config(&sshd);
    config.params.identity_file = Some(text(&other));
    config.secrets = Some(Arc::new(|request: SecretRequest<'_>| panic!("asked for {request:?}")));
    let error = refused(config).await;
    assert!(error.to_string().contains("other`: refused"), "{error}");
}

#[tokio::test]
async fn a_key_that_is_named_goes_before_the_others_of_the_agent() {
    let Some(sshd) = Sshd::builder().option("MaxAuthTries", 3).start() else { return };
    let Some(agent) = SshAgent::start() else { return };
    let (_folder, path) = folder();
    for name in ["a", "b", "c", "d", "e"] {
        agent.add(&key(&path, name, "ed25519"));
    }
    agent.add(sshd.client_key());
    let (public, beside, gone) = (path.join("only.pub"), path.join("beside"), path.join("inside"));
    fs::copy(with(sshd.client_key(), ".pub"), &public).expect("a copy");
    fs::copy(with(sshd.client_key(), ".pub"), with(&beside, ".pub")).expect("a copy");
    // The private key file contains the public key, so that the agent's key is used, although the file cannot be
    // read.
    fs::copy(sshd.client_key(), &gone).expect("a copy");
    encrypt(&gone);
    for named in [&public, &beside, &gone] {
        for only in ["yes", "no"] {
            let home = Home::new(&format!("IdentityFile {}\nIdentitiesOnly {only}\n", named.display()));
            works(home.with_agent(&sshd, &agent)).await;
        }
    }
    // Where none is named, the server hangs up, and the error says after how many.
    let home = Home::new("");
    let error = refused(home.with_agent(&sshd, &agent)).await;
    let SshError::AuthFailed { hung_up_after: Some(count), .. } = &error else { panic!("{error:?}") };
    assert!((2..=3).contains(count), "{error}");
    assert!(error.to_string().contains("the server hung up"), "{error}");
}

#[tokio::test]
async fn a_public_half_without_a_private_one_and_missing_files_are_named() {
    let Some(sshd) = Sshd::start() else { return };
    let (_folder, path) = folder();
    let public = path.join("lonely.pub");
    fs::copy(with(sshd.client_key(), ".pub"), &public).expect("a copy");
    let home =
        Home::new(&format!("IdentityFile {}\nIdentityFile /no/such/key\nCertificateFile /no/cert\n", public.display()));
    let error = refused(home.config(&sshd)).await.to_string();
    for part in
        ["lonely.pub`: there is only the public key", "`/no/such/key`: No such file", "`/no/cert`: No such file"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Answers as a real agent does, up to the first request of `silent_for`.
fn silent_agent(path: PathBuf, real: PathBuf, silent_for: u8) {
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let real = real.clone();
            thread::spawn(move || {
                let mut real = UnixStream::connect(real).ok();
                loop {
                    let mut length = [0; 4];
                    if client.read_exact(&mut length).is_err() {
                        return;
                    }
                    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
                    client.read_exact(&mut body).expect("a request");
                    if body[0] == silent_for {
                        // Until the client closes the connection.
                        let _ = client.read(&mut [0]);
                        return;
                    }
                    let real = real.as_mut().expect("the real one");
                    real.write_all(&length).expect("passed on");
                    real.write_all(&body).expect("passed on");
                    let mut length = [0; 4];
                    real.read_exact(&mut length).expect("an answer");
                    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
                    real.read_exact(&mut answer).expect("an answer");
                    client.write_all(&length).expect("passed back");
                    client.write_all(&answer).expect("passed back");
                }
            });
        }
    });
}

#[tokio::test]
async fn an_agent_that_hangs_is_passed_over_and_named() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(real) = SshAgent::start() else { return };
    real.add(sshd.client_key());
    let (_folder, path) = folder();
    let (mute, lazy) = (path.join("mute"), path.join("lazy"));
    silent_agent(mute.clone(), real.socket().to_owned(), 11);
    silent_agent(lazy.clone(), real.socket().to_owned(), 13);
    // A key file is accepted, after half of the time.
    let home = Home::new(&format!("IdentityFile {}\n", sshd.client_key().display()));
    let mut config = home.config(&sshd);
    config.params.auth_timeout = Some(Bound::secs(4));
    config.environment.agent = Some(mute.clone());
    let begin = Instant::now();
    works(config.clone()).await;
    assert!(begin.elapsed() < Duration::from_secs(9));
    let home = Home::new("");
    let mut config = home.config(&sshd);
    config.params.auth_timeout = Some(Bound::secs(1));
    config.environment.agent = Some(mute);
    let error = refused(config.clone()).await;
    assert!(error.to_string().contains("mute`: it does not answer within 500ms"), "{error}");
    // An agent that lists its keys and does not sign.
    config.environment.agent = Some(lazy);
    let begin = Instant::now();
    let error = refused(config).await;
    let SshError::AuthTimedOut { step, .. } = &error else { panic!("{error:?}") };
    assert!(step.contains("lazy` to sign") && begin.elapsed() < Duration::from_secs(9), "{error}");
}

#[tokio::test]
async fn keys_of_every_type_in_the_agent() {
    for kind in [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa] {
        let Some(sshd) = Sshd::builder().client_key(kind).start() else { return };
        let Some(agent) = SshAgent::start() else { return };
        agent.add(sshd.client_key());
        let home = Home::new("");
        works(home.with_agent(&sshd, &agent)).await;
    }
}

#[tokio::test]
async fn identity_agent_names_another_a_variable_or_none() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(agent) = SshAgent::start() else { return };
    agent.add(sshd.client_key());
    let usual = Some(agent.socket().to_owned());
    let variables: Vec<_> =
        [("OTHER", text(agent.socket())), ("HERE", text(agent.socket().parent().expect("a folder")))].into();
    let variables = Arc::new(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    for (value, usual, reached) in [
        ("none", usual.clone(), false),
        ("SSH_AUTH_SOCK", usual.clone(), true),
        ("$OTHER", None, true),
        ("$MISSING", usual.clone(), false),
        ("${HERE}/agent", None, true),
    ] {
        let home = Home::new(&format!("IdentityAgent {value}\n"));
        let mut config = home.config(&sshd);
        config.environment.agent = usual;
        config.environment.variables = Arc::clone(&variables);
        if reached {
            works(config).await;
        } else {
            refused(config).await;
        }
    }
}

#[tokio::test]
async fn no_agents_socket_is_left_behind() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(agent) = SshAgent::start() else { return };
    agent.add(sshd.client_key());
    let (_folder, path) = folder();
    let home = Home::new("");
    let mut config = home.with_agent(&sshd, &agent);
    // An unusable folder is skipped.
    let variables = [("XDG_RUNTIME_DIR", "/no/such/folder".to_owned()), ("TMPDIR", text(&path))];
    config.environment.variables =
        Arc::new(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    works(config).await;
    assert_eq!(fs::read_dir(&path).expect("the folder").count(), 0);
}

/// A correct passphrase is kept; after a wrong one it is requested again.
#[tokio::test]
async fn a_wrong_passphrase_is_called_so() {
    let Some(sshd) = Sshd::builder().passphrase("open sesame").start() else { return };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut config = config(&sshd);
    let record = Arc::clone(&asked);
    config.secrets = Some(Arc::new(move |request: SecretRequest<'_>| {
        let name = format!("{request:?}");
        record.lock().expect("lock").push(name.split('(').next().expect("a name").to_owned());
        Ok(Some("open barley".to_owned()))
    }));
    let error = refused(config.clone()).await.to_string();
    assert!(error.contains("its passphrase is wrong") && !error.contains("barley"), "{error}");
    assert_eq!(*asked.lock().expect("lock"), ["Passphrase", "WrongPassphrase"]);
    config.secrets = None;
    let error = refused(config).await.to_string();
    assert!(error.contains("it is encrypted") && error.contains("`ssh-add "), "{error}");
}
