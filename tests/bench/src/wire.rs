//! A client of the resident's socket that does no more than it must, and an echo to compare it with.

use std::{
    convert::Infallible,
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::Result;

/// Longest wait for a part of an answer.
const BOUND: Duration = Duration::from_secs(10);

const OPEN: u8 = 0;
const STDIN: u8 = 1;
const STDIN_END: u8 = 2;
const GO: u8 = 3;
const WRITTEN: u8 = 5;
const RESERVED: u8 = 16;
const STDOUT: u8 = 18;
const STDOUT_END: u8 = 22;
const END: u8 = 23;

/// A resident, by its socket.
pub struct Resident {
    socket: PathBuf,
    version: String,
    /// Folder of the caller, to which its kept processes belong.
    folder: PathBuf,
    next: u64,
}

impl Resident {
    /// Finds the only socket in a folder.
    pub fn find(runtime: &Path, folder: &Path) -> Result<Self> {
        let entries = fs::read_dir(runtime).map_err(|error| format!("`{}`: {error}", runtime.display()))?;
        let socket =
            entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| path.extension() == Some("sock".as_ref()));
        let socket = socket.ok_or_else(|| format!("`{}` has no socket", runtime.display()))?;
        let answer = ask(&socket, "/mer/v1/version").map_err(|error| error.to_string())?;
        let body = answer.rsplit_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body: Value = serde_json::from_str(body).map_err(|error| format!("{answer}: {error}"))?;
        let version = body["merVersion"].as_str().ok_or_else(|| format!("no version: {body}"))?.to_owned();
        let next =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64) & 0xffff_ffff_ffff;
        Ok(Self { socket, version, folder: folder.to_owned(), next })
    }

    /// Runs `pong` with `hello`, from connecting to the end of the run, which is on record by then. Returns microseconds.
    pub fn run(&mut self) -> Result<f64> {
        self.next += 1;
        let open = json!({
            "merVersion": self.version,
            "requestUid": format!("00000000-0000-7000-8000-{:012x}", self.next & 0xffff_ffff_ffff),
            "model": "pong", "server": null, "timeout": null, "hashes": true, "retries": 0, "retryFailed": false,
            "priority": 0, "tags": {}, "diagnostics": false,
            "context": {
                "caller": "bench", "claims": {}, "pid": std::process::id(), "folder": self.folder,
                "variables": { "PATH": std::env::var("PATH").unwrap_or_default() },
            },
        });
        let open = open.to_string();
        self.exchange(open.as_bytes()).map_err(|error| format!("`{}`: {error}", self.socket.display()))
    }

    fn exchange(&self, open: &[u8]) -> io::Result<f64> {
        let begun = Instant::now();
        let mut stream = connect(&self.socket)?;
        let mut request =
            b"GET /mer/v1/run HTTP/1.1\r\nHost: mer\r\nConnection: Upgrade\r\nUpgrade: mer/1\r\n\r\n".to_vec();
        put(&mut request, OPEN, open);
        stream.write_all(&request)?;
        let mut reader = Frames { stream: &stream, buffer: Vec::new() };
        reader.head()?;
        let mut output = Vec::new();
        loop {
            let (kind, payload) = reader.next()?;
            let mut reply = Vec::new();
            match kind {
                RESERVED => {
                    put(&mut reply, GO, b"");
                    put(&mut reply, STDIN, b"hello\n");
                    put(&mut reply, STDIN_END, br#"{"error":null}"#);
                }
                STDOUT => output.extend_from_slice(&payload),
                STDOUT_END => put(&mut reply, WRITTEN, br#"{"failure":null}"#),
                END if output == b"hello\n" => return Ok(begun.elapsed().as_secs_f64() * 1e6),
                kind if !(RESERVED..=STDOUT_END).contains(&kind) || kind == RESERVED + 1 => {
                    let text = String::from_utf8_lossy(&payload).into_owned();
                    return Err(io::Error::other(format!("frame {kind}: {text}")));
                }
                _ => {}
            }
            (&stream).write_all(&reply)?;
        }
    }
}

fn put(bytes: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    bytes.push(kind);
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(payload);
}

struct Frames<'a> {
    stream: &'a UnixStream,
    buffer: Vec<u8>,
}

impl Frames<'_> {
    fn more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }

    /// Reads the head of the answer, which must take over the connection.
    fn head(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                return match head.starts_with(b"HTTP/1.1 101 ") {
                    true => Ok(()),
                    false => Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())),
                };
            }
            self.more()?;
        }
    }

    fn next(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if let [kind, a, b, c, d, rest @ ..] = &self.buffer[..] {
                let (kind, length) = (*kind, u32::from_be_bytes([*a, *b, *c, *d]) as usize);
                if rest.len() >= length {
                    let payload = rest[..length].to_vec();
                    self.buffer.drain(..5 + length);
                    return Ok((kind, payload));
                }
            }
            self.more()?;
        }
    }
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(BOUND))?;
    Ok(stream)
}

/// Sends a plain request, and returns the answer.
fn ask(socket: &Path, path: &str) -> io::Result<String> {
    let mut stream = connect(socket)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: mer\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Serves plain requests with `hello`, a connection each: hyper on a runtime with one thread, which ends with the process.
pub fn serve_echo(socket: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listener = runtime.block_on(async { tokio::net::UnixListener::bind(socket) })?;
    thread::spawn(move || {
        runtime.block_on(async {
            // A listener that fails ends the echo, which the next request shows.
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(hello)));
            }
        });
    });
    Ok(())
}

async fn hello(_: Request<Incoming>) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello\n"))))
}

/// Asks the echo once. Returns microseconds.
pub fn ask_echo(socket: &Path) -> Result<f64> {
    let begun = Instant::now();
    let answer = ask(socket, "/").map_err(|error| format!("`{}`: {error}", socket.display()))?;
    let elapsed = begun.elapsed().as_secs_f64() * 1e6;
    if answer.ends_with("hello\n") { Ok(elapsed) } else { Err(answer) }
}
