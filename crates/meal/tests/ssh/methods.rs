//! Certificates, several methods in a row, and the configuration of methods.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use mer_core::{Classified as _, FailureKind};
use mer_testkit::{
    faulty_ssh::FaultySsh,
    ssh_agent::SshAgent,
    sshd::{Builder, Sshd},
};

use crate::{
    agents::key,
    keys::{refused, works},
    support::{Home, config, faulty, folder, secret, text},
};

/// An authority that signs keys for the user of a server.
struct Authority {
    folder: PathBuf,
    _keep: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let (keep, folder) = folder();
        key(&folder, "authority", "ed25519");
        Self { folder, _keep: keep }
    }

    fn server<'a>(&self) -> Builder<'a> {
        Sshd::builder().option("TrustedUserCAKeys", self.folder.join("authority.pub").display())
    }

    /// A key that is not in authorized_keys, with its certificate beside it.
    fn key(&self, name: &str, kind: &str, user: &str) -> PathBuf {
        let file = key(&self.folder, name, kind);
        self.sign(&file, user);
        file
    }

    fn sign(&self, file: &Path, user: &str) {
        let public = format!("{}.pub", file.display());
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-I", "test", "-n", user, "-s"])
            .arg(self.folder.join("authority"))
            .arg(public)
            .status();
        assert!(signed.expect("ssh-keygen").success());
    }
}

/// Moves the certificate of a key away, so that it is not found beside it.
fn moved(file: &Path) -> PathBuf {
    let certificate = PathBuf::from(format!("{}-cert.pub", file.display()));
    let elsewhere = PathBuf::from(format!("{}.certificate", file.display()));
    fs::rename(certificate, &elsewhere).expect("moved");
    elsewhere
}

#[tokio::test]
async fn certificates_of_every_type_beside_a_key_and_by_name() {
    let authority = Authority::new();
    let Some(sshd) = authority.server().start() else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let file = authority.key(&format!("beside-{kind}"), kind, sshd.user());
        let mut config = config(&sshd);
        config.params.identity_file = Some(text(&file));
        works(config).await;
        let certificate = moved(&file);
        let named = format!("IdentityFile {}\n", file.display());
        let error = refused(Home::new(&named).config(&sshd)).await;
        assert_eq!(error.failure_kind(), FailureKind::Refused, "the key alone is not enough");
        let named = format!("{named}CertificateFile {}\n", certificate.display());
        works(Home::new(&named).config(&sshd)).await;
    }
}

#[tokio::test]
async fn certificates_of_every_type_in_the_agent() {
    let authority = Authority::new();
    let Some(sshd) = authority.server().start() else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        // `ssh-add` loads the certificate beside a key too.
        let Some(agent) = SshAgent::start() else { return };
        let file = authority.key(&format!("held-{kind}"), kind, sshd.user());
        agent.add(&file);
        let home = Home::new("");
        works(home.with_agent(&sshd, &agent)).await;
        // The key is in the agent, the certificate in a file.
        let Some(agent) = SshAgent::start() else { return };
        let certificate = moved(&file);
        agent.add(&file);
        let home = Home::new(&format!("CertificateFile {}\n", certificate.display()));
        fs::remove_file(&file).expect("removed");
        works(home.with_agent(&sshd, &agent)).await;
    }
}

#[tokio::test]
async fn a_certificate_of_a_host_or_of_a_key_that_is_nowhere_is_named() {
    let authority = Authority::new();
    let Some(sshd) = authority.server().start() else { return };
    let file = authority.key("lost", "ed25519", sshd.user());
    let certificate = moved(&file);
    let error = refused(Home::new(&format!("CertificateFile {}\n", certificate.display())).config(&sshd)).await;
    assert!(error.to_string().contains("its private key is in no file that is named"), "{error}");
}

/// A real sshd requires two keys.
#[tokio::test]
async fn two_keys_in_a_row() {
    let (_folder, path) = folder();
    let second = key(&path, "second", "ed25519");
    let line = fs::read_to_string(path.join("second.pub")).expect("a key");
    let both = Sshd::builder().authorize(&line).option("AuthenticationMethods", "publickey,publickey");
    let Some(sshd) = both.start() else { return };
    let home = Home::new(&format!("IdentityFile {}\n", second.display()));
    let mut config = home.config(&sshd);
    config.params.identity_file = Some(text(sshd.client_key()));
    works(config.clone()).await;
    config.params.identity_file = None;
    let error = refused(config).await.to_string();
    assert!(error.contains("accepted, but not enough") && error.contains("requires publickey too"), "{error}");
}

#[tokio::test]
async fn a_password_after_a_key() {
    for keyboard in [false, true] {
        let builder = FaultySsh::builder().key_first();
        let builder = if keyboard { builder.keyboard_interactive("s3cret") } else { builder.password("s3cret") };
        let Some(server) = builder.start() else { return };
        let mut config = faulty(&server);
        config.params.password_env = Some("PW".to_owned());
        config.secrets = secret("s3cret");
        works(config.clone()).await;
        config.secrets = secret("wrong");
        refused(config.clone()).await;
        config.params.password_env = None;
        let error = refused(config).await.to_string();
        let wanted = if keyboard { "keyboard-interactive" } else { "password" };
        assert!(error.contains(&format!("requires {wanted} too; no password is registered")), "{error}");
    }
}

#[tokio::test]
async fn the_configuration_orders_and_forbids_methods() {
    let Some(server) = FaultySsh::builder().password("s3cret").start() else { return };
    let server = &server;
    let tried = |config: mer_meal::SshConfig| async move {
        let before = server.methods().len();
        works(config).await;
        server.methods()[before..].iter().filter(|method| **method != "none").copied().collect::<Vec<_>>()
    };
    let with = |text: &str| {
        let home = Home::new(text);
        let mut config = home.around(faulty(server));
        config.params.password = Some("s3cret".to_owned());
        config.params.identity_file = None;
        (config, home)
    };
    let named = format!("IdentityFile {}\n", server.client_key().display());
    let (config, _home) = with(&named);
    assert_eq!(tried(config).await, ["publickey"]);
    let (config, _home) = with(&format!("{named}PreferredAuthentications password,publickey\n"));
    assert_eq!(tried(config).await, ["password"]);
    let (config, _home) = with(&format!("{named}PubkeyAuthentication no\n"));
    assert_eq!(tried(config).await, ["password"]);
    // Credentials of the registry are used nevertheless.
    let (mut config, _home) = with("PreferredAuthentications gssapi-with-mic\nPubkeyAuthentication no\n");
    config.params.password = None;
    config.params.identity_file = Some(text(server.client_key()));
    assert_eq!(tried(config).await, ["publickey"]);
    let (mut config, _home) = with(&format!("{named}PubkeyAuthentication no\n"));
    config.params.password = None;
    let error = refused(config).await.to_string();
    assert!(error.contains("the server offers"), "{error}");
}
