//! Executors for the test servers.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use mer_core::{Bound, ConnParams, RunSpec};
use mer_meal::{Cancel, Ended, Executor, Input, SecretRequest, SecretSource, SshConfig, SshPlaces};
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
