//! Failing networks, with the `ssh` client and a real `sshd`.

use std::process::{Child, Stdio};
use std::time::Duration;

use mer_testkit::network::{Cable, Direction, Proxy};
use mer_testkit::processes;
use mer_testkit::sshd::Sshd;

const BOUND: Duration = Duration::from_secs(20);

/// `ssh` through the proxy, with keepalives that notice a silent peer after a second or two.
fn through(server: &Sshd, proxy: &Proxy, command: &str) -> Child {
    let known = server.folder().join("known_hosts_of_proxy");
    std::fs::write(&known, server.known_hosts_for(proxy.address())).expect("write");
    let mut ssh = server.ssh();
    ssh.args(["-o", &format!("Port={}", proxy.address().port())]);
    ssh.args(["-o", &format!("UserKnownHostsFile={}", known.display())]);
    ssh.args(["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1", command]);
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("ssh")
}

fn ends(child: &mut Child) -> Option<i32> {
    let ended = processes::poll(BOUND, || child.try_wait().expect("wait"));
    let _ = child.kill();
    ended.and_then(|status| status.code())
}

#[test]
fn a_client_notices_a_proxy_that_cuts_or_swallows() {
    let Some(server) = Sshd::start() else { return };
    let proxy = Proxy::to(server.addresses()[0]);
    for fail in [Proxy::cut, Proxy::hold] {
        let mut client = through(&server, &proxy, "sleep 600");
        processes::assert_started(server.nonce(), BOUND);
        fail(&proxy);
        assert_eq!(ends(&mut client), Some(255));
        server.end_connections();
    }
}

#[test]
fn a_transfer_is_cut_in_its_middle() {
    let Some(server) = Sshd::start() else { return };
    let proxy = Proxy::to(server.addresses()[0]);
    proxy.cut_after(Direction::ToClient, 500_000);
    let client = through(&server, &proxy, "head -c 1000000 /dev/zero");
    let output = client.wait_with_output().expect("wait");
    assert_eq!(output.status.code(), Some(255));
    // A reset discards unread bytes, so the client may have seen any part of the output.
    assert!(output.stdout.len() < 500_000 && proxy.forwarded(Direction::ToClient) == 500_000);
}

#[test]
fn a_pulled_cable_is_silent_for_both_ends() {
    let Some(cable) = Cable::new() else { return };
    let Some(server) = Sshd::builder().at_server_of(&cable).option("ClientAliveInterval", 1).start() else { return };
    let mut ssh = cable.client_command("ssh");
    ssh.args(server.ssh().get_args()).args(["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1", "sleep 600"]);
    let mut client = ssh.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("ip");
    processes::assert_started(server.nonce(), BOUND);
    cable.pull();
    let address = (cable.server_address(), server.port()).into();
    let reach = |bound| cable.at_client(move || std::net::TcpStream::connect_timeout(&address, bound).is_ok());
    assert!(!reach(Duration::from_millis(300)));
    assert_eq!(ends(&mut client), Some(255));
    // The server notices by its own keepalives only.
    server.wait_for_log("Timeout, client not responding", BOUND);
    cable.plug();
    assert!(processes::poll(BOUND, || reach(Duration::from_secs(1)).then_some(())).is_some());
}

#[test]
fn a_cable_that_is_plugged_in_again_in_time_loses_nothing() {
    let Some(cable) = Cable::new() else { return };
    let Some(server) = Sshd::builder().at_server_of(&cable).start() else { return };
    let mut ssh = cable.client_command("ssh");
    ssh.args(server.ssh().get_args()).arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = ssh.spawn().expect("ip");
    processes::assert_started(server.nonce(), BOUND);
    cable.pull();
    drop(client.stdin.take());
    assert!(processes::poll(Duration::from_millis(300), || client.try_wait().expect("wait")).is_none());
    cable.plug();
    assert_eq!(ends(&mut client), Some(0));
}
