//! Launching `sshd` on a free port, and waiting until it serves.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::files::{log_file, show_log};
use crate::processes;

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(20);

/// Starts it on a free port. Repeated, because another process may take the port before sshd binds it.
pub(super) fn launch(program: &Path, folder: &TempDir, listen: &[IpAddr], config: &str) -> (Child, u16) {
    let file = folder.path().join("sshd_config");
    let mut log = String::new();
    for _ in 0..10 {
        let port = free_port(listen);
        let mut text = String::new();
        for ip in listen {
            writeln!(text, "ListenAddress {}", SocketAddr::new(*ip, port)).expect("writing to a String");
        }
        fs::write(&file, text + config).expect("sshd_config cannot be written");
        let mut child = spawn(program, folder.path());
        if ready(&mut child, folder.path(), listen, port) {
            return (child, port);
        }
        let _ = child.kill();
        let _ = child.wait();
        log = String::from_utf8_lossy(&fs::read(log_file(folder.path())).unwrap_or_default()).into_owned();
        if let Some(missing) = log.lines().find_map(|line| line.split_once("privilege separation directory: ")) {
            // Under root sshd needs an empty folder that the start script of the package creates at boot.
            fs::create_dir_all(missing.1.trim()).expect("sshd's folder for privilege separation cannot be made");
        } else if !port_is_taken(&log) {
            break;
        }
    }
    show_log("sshd", &log);
    panic!("sshd did not start; its log is above");
}

/// Starts it once more with the configuration that it has, on the same port. Repeated, because the port may be that of
/// a client meanwhile.
pub(super) fn launch_again(program: &Path, folder: &Path, listen: &[IpAddr], port: u16) -> Child {
    let started = processes::poll(START, || {
        let mut child = spawn(program, folder);
        if ready(&mut child, folder, listen, port) {
            return Some(child);
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    });
    started.unwrap_or_else(|| {
        show_log("sshd", &fs::read_to_string(log_file(folder)).unwrap_or_default());
        panic!("sshd did not start again; its log is above");
    })
}

/// Starts it with the configuration in its folder. Its log begins anew.
fn spawn(program: &Path, folder: &Path) -> Child {
    let output = File::create(log_file(folder)).expect("no log file");
    Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .expect("`sshd` cannot be run")
}

/// Waits until it listens on all addresses and sends its banner; `false` if it exited, or could not bind an address.
fn ready(child: &mut Child, folder: &Path, listen: &[IpAddr], port: u16) -> bool {
    // Its log is checked first, because another server on the port would send a banner too.
    let listening = processes::poll(START, || {
        let log = fs::read_to_string(log_file(folder)).unwrap_or_default();
        let ended = !matches!(child.try_wait(), Ok(None)) || port_is_taken(&log);
        let all = listen.iter().all(|ip| log.contains(&format!("Server listening on {ip} port {port}.")));
        (ended || all).then_some(!ended)
    });
    listening == Some(true)
        && listen.iter().all(|ip| processes::poll(START, || greets(SocketAddr::new(*ip, port)).then_some(())).is_some())
}

/// Whether sshd could not bind an address. It goes on with the others if it has some.
fn port_is_taken(log: &str) -> bool {
    log.lines().any(|line| line.contains("Bind to port") && line.contains("failed"))
}

/// Whether a server at the address sends an SSH banner.
pub(crate) fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, START) else { return false };
    let mut banner = [0; 8];
    stream.set_read_timeout(Some(START)).is_ok() && stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-2.0-"
}

fn free_port(listen: &[IpAddr]) -> u16 {
    let any = TcpListener::bind((listen[0], 0)).expect("no free port");
    any.local_addr().expect("no port").port()
}

/// Major and minor version. Old versions do not know `-V`, and print their version above the usage.
pub(super) fn version(program: &Path) -> (u32, u32) {
    let output = Command::new(program).arg("-V").stdin(Stdio::null()).output().expect("`sshd` cannot be run");
    parse_version(&String::from_utf8_lossy(&output.stderr)).unwrap_or_default()
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("OpenSSH_")?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("unknown option -- V\nOpenSSH_9.2p1 Debian-2, OpenSSL 3\nusage"), Some((9, 2)));
        assert_eq!(parse_version("OpenSSH_10.0p2, OpenSSL 3"), Some((10, 0)));
        assert_eq!(parse_version("something else"), None);
    }
}
