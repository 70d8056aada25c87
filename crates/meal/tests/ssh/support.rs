//! Executors for the test servers.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use mer_core::{Bound, ConnParams, Exit, RunSpec};
use mer_meal::{Cancel, End, Ended, Executor, Input, SecretRequest, SecretSource, SshConfig, SshPlaces};
use mer_testkit::{faulty_ssh::FaultySsh, sshd::Sshd};

use crate::common;

/// How to reach a server, with nothing of this machine's own: no HOME, no agent, no `/etc/ssh`.
pub(crate) fn config(sshd: &Sshd) -> SshConfig {
    let params = ConnParams {
        host: Some(sshd.host()),
        port: Some(sshd.port()),
        user: Some(sshd.user().to_owned()),
        identity_file: Some(text(sshd.client_key())),
        known_hosts: Some(text(&sshd.known_hosts_file())),
        connect_timeout: Some(Bound::secs(10)),
        ..ConnParams::default()
    };
    plain(params)
}

pub(crate) fn faulty(server: &FaultySsh) -> SshConfig {
    let known_hosts = server.folder().join("known_hosts");
    fs::write(&known_hosts, server.known_hosts()).expect("known_hosts");
    plain(ConnParams {
        host: Some(server.host()),
        port: Some(server.port()),
        user: Some(server.user().to_owned()),
        identity_file: Some(text(server.client_key())),
        known_hosts: Some(text(&known_hosts)),
        ..ConnParams::default()
    })
}

pub(crate) fn plain(params: ConnParams) -> SshConfig {
    SshConfig { server: "test".to_owned(), params, places: SshPlaces::default(), secrets: None, accept_new: false }
}

pub(crate) fn text(path: &std::path::Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Answers every request with this.
pub(crate) fn secret(answer: &str) -> Option<SecretSource> {
    let answer = answer.to_owned();
    Some(Arc::new(move |_: SecretRequest<'_>| Ok(Some(answer.clone()))))
}

/// A command for over there: it gets no PATH, so it has that of its login.
pub(crate) fn command(argv: &[&str]) -> RunSpec {
    RunSpec { env: [].into(), ..common::command(argv) }
}

/// The fake model over there.
pub(crate) fn fake(args: &[&str]) -> RunSpec {
    command(&[&[common::FAKE], args].concat())
}

pub(crate) async fn run(executor: &Executor, spec: &RunSpec, input: &[u8]) -> (Ended, Vec<u8>) {
    let run = executor.start(spec).await.unwrap_or_else(|error| panic!("does not start: {error} {error:?}"));
    common::collect(run, Input::Bytes(Bytes::copy_from_slice(input)), &spec.bounds, &Cancel::new()).await
}

/// A folder that goes with the test.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    (folder, path)
}

/// What nothing on one machine takes.
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

    /// How to reach a server from there, without a key that the registry names.
    pub(crate) fn config(&self, sshd: &Sshd) -> SshConfig {
        let mut config = self.around(config(sshd));
        config.params.identity_file = None;
        config
    }

    pub(crate) fn around(&self, mut config: SshConfig) -> SshConfig {
        let home = Some(self.0.path().to_owned());
        config.places = SshPlaces { folder: Some(self.folder()), home, ..config.places };
        config
    }
}

/// Whatever the umask: a configuration that others may write to is not used.
pub(crate) fn write_private(file: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, text).expect("the file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// Cancels the fake model when it is ready: this signal ends it.
pub(crate) async fn is_ended_by(signal: i32, executor: &Executor, args: &[&str]) {
    let spec = fake(args);
    let mut run = executor.start(&spec).await.expect("starts");
    assert_eq!(run.stdout.next().await.expect("read").as_deref(), Some(&b"ready\n"[..]));
    let cancel = Cancel::new();
    cancel.cancel();
    let (ended, _) = common::collect(run, Input::Bytes(Vec::new().into()), &spec.bounds, &cancel).await;
    assert_eq!((ended.end, ended.exit), (End::Cancelled, Some(Exit::Signal(signal))));
}
