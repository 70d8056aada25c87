//! Executors for the test servers.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use mer_core::{Bound, ConnParams, Exit, RunSpec};
use mer_meal::{Cancel, EndCause, Executor, Input, RequestEnd, SecretRequest, SecretSource, SshConfig, SshEnvironment};
use mer_testkit::{dropbear::Dropbear, faulty_ssh::FaultySsh, ssh_agent::SshAgent, sshd::Sshd};

use crate::common;

/// The configuration for a server, without anything of this machine: no HOME, no agent, no `/etc/ssh`.
pub(crate) fn config(sshd: &Sshd) -> SshConfig {
    let params = params(sshd.host(), sshd.port(), sshd.user(), sshd.client_key(), &sshd.known_hosts_file());
    plain(ConnParams { connect_timeout: Some(Bound::secs(10)), ..params })
}

pub(crate) fn at_dropbear(server: &Dropbear) -> SshConfig {
    let known_hosts = known_hosts(server.folder(), &server.known_hosts());
    let params = params(server.host().to_owned(), server.port(), server.user(), server.client_key(), &known_hosts);
    plain(ConnParams { connect_timeout: Some(Bound::secs(10)), ..params })
}

pub(crate) fn faulty(server: &FaultySsh) -> SshConfig {
    let known_hosts = known_hosts(server.folder(), &server.known_hosts());
    plain(params(server.host(), server.port(), server.user(), server.client_key(), &known_hosts))
}

fn known_hosts(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("known_hosts");
    fs::write(&file, text).expect("known_hosts");
    file
}

fn params(host: String, port: u16, user: &str, key: &Path, known_hosts: &Path) -> ConnParams {
    ConnParams {
        host: Some(host),
        port: Some(port),
        user: Some(user.to_owned()),
        identity_file: Some(text(key)),
        known_hosts: Some(text(known_hosts)),
        ..ConnParams::default()
    }
}

pub(crate) fn plain(params: ConnParams) -> SshConfig {
    SshConfig {
        server: "test".to_owned(),
        params,
        environment: SshEnvironment::default(),
        secrets: None,
        accept_new: false,
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Answers every request with this secret.
pub(crate) fn secret(answer: &str) -> Option<SecretSource> {
    let answer = answer.to_owned();
    Some(Arc::new(move |_: SecretRequest<'_>| Ok(Some(answer.clone()))))
}

/// A remote command. It is given no PATH, so that it has the one of its login.
pub(crate) fn command(argv: &[&str]) -> RunSpec {
    RunSpec { env: [].into(), ..common::command(argv) }
}

/// The fake model on the server.
pub(crate) fn fake(args: &[&str]) -> RunSpec {
    command(&[&[common::FAKE], args].concat())
}

pub(crate) async fn run(executor: &Executor, spec: &RunSpec, input: &[u8]) -> (RequestEnd, Vec<u8>) {
    let run = executor.start(spec).await.unwrap_or_else(|error| panic!("does not start: {error} {error:?}"));
    common::collect(run, Input::Bytes(Bytes::copy_from_slice(input)), &spec.bounds, &Cancel::new()).await
}

/// A temporary folder.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    (folder, path)
}

/// A port on which nothing listens.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// A HOME with an SSH configuration.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(home.folder()).expect("a folder");
        home.write(config);
        home
    }

    /// `~/.ssh`.
    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().join(".ssh")
    }

    pub(crate) fn append(&self, text: &str) {
        let config = fs::read_to_string(self.folder().join("config")).expect("the configuration");
        self.write(&(config + text));
    }

    fn write(&self, config: &str) {
        write_private(&self.folder().join("config"), config);
    }

    /// The configuration for a server from this HOME, without a key in the registry.
    pub(crate) fn config(&self, sshd: &Sshd) -> SshConfig {
        let mut config = self.around(config(sshd));
        config.params.identity_file = None;
        config
    }

    /// The same with this agent.
    pub(crate) fn with_agent(&self, sshd: &Sshd, agent: &SshAgent) -> SshConfig {
        let mut config = self.config(sshd);
        config.environment.agent = Some(agent.socket().to_owned());
        config
    }

    pub(crate) fn around(&self, mut config: SshConfig) -> SshConfig {
        let home = Some(self.0.path().to_owned());
        config.environment = SshEnvironment { folder: Some(self.folder()), home, ..config.environment };
        config
    }
}

/// Independent of the umask: a configuration that is writable for others is ignored.
pub(crate) fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, text).expect("the file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// Cancels the fake model when it is ready: the signal ends it.
pub(crate) async fn is_ended_by(signal: i32, executor: &Executor, args: &[&str]) {
    let spec = fake(args);
    let mut run = executor.start(&spec).await.expect("starts");
    assert_eq!(run.stdout.next().await.expect("read").as_deref(), Some(&b"ready\n"[..]));
    let cancel = Cancel::new();
    cancel.cancel();
    let (ended, _) = common::collect(run, Input::Bytes(Vec::new().into()), &spec.bounds, &cancel).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(signal))));
}
