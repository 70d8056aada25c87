//! Fetches what a training wrote on another machine.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use mer_core::{Access, Bound, Classified as _, Exit, FailureKind, Status, with_causes};
use mer_meal::{Cancel, Executor, RequestEnd, StartError};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::{
    failure_cause::FailureCause,
    outcome::Verdict,
    remote_shell::{RemoteScript, last_stderr_line},
};

/// Name of the file whose path the model gets.
pub(crate) const NAME: &str = "weights";
/// What programs append to the name if they insist on an extension.
pub(crate) const EXTENSIONS: [&str; 4] = ["", ".npy", ".safetensors", ".json"];

/// Time between TERM and KILL of a script.
pub(crate) const SCRIPT_GRACE: Duration = Duration::from_secs(1);
/// Maximum number of chunks that wait to be written here.
pub(crate) const QUEUE: usize = 4;
/// Maximum length of the first line, in bytes: an extension, a size and a hash.
const MAX_HEADER_BYTES: usize = 200;

/// Prints a line with extension, size and sha256 of the file in the folder `$1`, then its bytes; `folder` if it is one;
/// `none` if there is none. The hash is `-` on a machine without a program for it.
const SEND: &str = r#"for e in '' .npy .safetensors .json; do
    f=$1/weights$e
    [ -d "$f" ] && { echo folder; exit; }
    [ -f "$f" ] || continue
    n=$(wc -c < "$f") || exit 1
    h=$({ sha256sum < "$f" || shasum -a 256 < "$f" || openssl dgst -sha256 -r < "$f" || echo -; } 2>/dev/null)
    echo "+$e $((n)) ${h%% *}"
    exec cat "$f"
done
echo none
"#;

/// Why weights could not be fetched.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The process that sends them could not be started.
    Start(StartError),
    /// The process that sends them failed, for this reason.
    Sender(String),
    /// The connection was lost, for this reason.
    Lost(String),
    /// The bytes that arrived are not those that were sent, twice.
    Differs,
    /// The training wrote a folder.
    Folder,
    /// They could not be written here.
    Write {
        /// The local folder.
        folder: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

impl FetchError {
    /// Returns why, as the end of a sentence.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Start(error) => with_causes(error),
            Self::Lost(why) | Self::Sender(why) => why.clone(),
            Self::Differs => "the bytes that arrived differ from those that were sent, twice".to_owned(),
            Self::Folder => "the training wrote a folder, and weights are one file".to_owned(),
            Self::Write { folder, source } => {
                format!("they cannot be written to `{}` here: {}", folder.display(), with_causes(source))
            }
        }
    }

    /// Returns the verdict on a training whose weights could not be fetched from `path`. They stay there.
    pub(crate) fn verdict(&self, access: &Access, path: &str) -> Verdict {
        let (server, why) = (&access.server, self.reason());
        let (status, kind) = match self {
            Self::Start(error) => (Verdict::not_started(server, error).status, error.failure_kind()),
            Self::Lost(_) => (Status::Unreachable, FailureKind::Unreachable),
            Self::Folder => (Status::Failed, FailureKind::Protocol),
            Self::Sender(_) | Self::Differs | Self::Write { .. } => (Status::Failed, FailureKind::Io),
        };
        let error = format!("the weights could not be fetched from `{server}`: {why}");
        let cause = Some(FailureCause::WeightsLeft { path: path.to_owned() });
        Verdict { cause, ..Verdict::new(status, kind, error) }
    }
}

/// Fetches the file from `folder` on another machine into the local folder `scratch`. Returns nothing if there is none.
pub(crate) async fn fetch(
    (executor, env): (&Executor, &BTreeMap<OsString, OsString>),
    folder: &str,
    scratch: &Path,
    cancel: &Cancel,
) -> Result<Option<PathBuf>, FetchError> {
    let (stdout, mut chunks) = mpsc::channel(QUEUE);
    let arguments = vec![folder.to_owned()];
    let script = RemoteScript { text: SEND, name: "sh", arguments, timeout: Bound::Never, grace: SCRIPT_GRACE };
    let sending =
        async { Ok::<_, StartError>(script.start_in(executor, env.clone()).await?.forward(stdout, cancel).await) };
    let receiving = async {
        let received = receive(&mut chunks, scratch).await;
        match received {
            // Reads to the end, so that the sender is not cut off.
            Ok(_) => while chunks.recv().await.is_some() {},
            // Bytes that cannot be written are not waited for.
            Err(_) => chunks.close(),
        }
        received
    };
    let (ended, received) = tokio::join!(sending, receiving);
    let ended = ended.map_err(FetchError::Start)?;
    let received = received.map_err(|source| FetchError::Write { folder: scratch.to_owned(), source })?;
    match ended.exit {
        Some(Exit::Code(0)) => {}
        Some(exit @ (Exit::Code(_) | Exit::Signal(_))) => {
            return Err(FetchError::Sender(format!("the process that sends them {exit}{}", reason(&ended))));
        }
        _ => return Err(FetchError::Lost(format!("the connection was lost{}", reason(&ended)))),
    }
    match received {
        Received::Nothing => Ok(None),
        Received::Folder => Err(FetchError::Folder),
        Received::Complete(file) => Ok(Some(file)),
        Received::Damaged => Err(FetchError::Differs),
    }
}

/// What arrived.
enum Received {
    /// There is no file on the other machine.
    Nothing,
    /// There is a folder instead of a file.
    Folder,
    /// The file is here.
    Complete(PathBuf),
    /// Size or hash differ from the first line, or there is no such line.
    Damaged,
}

/// Writes the file that arrives to `scratch`.
async fn receive(chunks: &mut mpsc::Receiver<Bytes>, scratch: &Path) -> io::Result<Received> {
    let mut header = Vec::new();
    let mut rest = loop {
        match chunks.recv().await {
            Some(chunk) => header.extend_from_slice(&chunk),
            None => return Ok(Received::Damaged),
        }
        if let Some(at) = header.iter().position(|byte| *byte == b'\n') {
            let rest = header.split_off(at + 1);
            break Some(Bytes::from(rest));
        }
        if header.len() > MAX_HEADER_BYTES {
            return Ok(Received::Damaged);
        }
    };
    let header = String::from_utf8_lossy(&header).into_owned();
    let mut words = header.split_whitespace();
    let (first, size, sha256) = (words.next(), words.next(), words.next());
    let extension = match first.and_then(|first| first.strip_prefix('+')) {
        Some(extension) if EXTENSIONS.contains(&extension) => extension,
        _ if first == Some("none") => return Ok(Received::Nothing),
        _ if first == Some("folder") => return Ok(Received::Folder),
        _ => return Ok(Received::Damaged),
    };
    let path = scratch.join(format!("{NAME}{extension}"));
    let mut file = mer_files::internal().write().create(0o600).truncate().open(&path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    loop {
        let chunk = match rest.take() {
            Some(chunk) => chunk,
            None => match chunks.recv().await {
                Some(chunk) => chunk,
                None => break,
            },
        };
        file.write_all(&chunk)?;
        hash.update(&chunk);
        bytes += chunk.len() as u64;
    }
    let has_hash = sha256 == Some("-") || sha256 == Some(&format!("{:x}", hash.finalize()));
    let is_complete = has_hash && size.and_then(|size| size.parse().ok()) == Some(bytes);
    Ok(if is_complete { Received::Complete(path) } else { Received::Damaged })
}

/// Returns why a script failed, as the end of a sentence.
pub(crate) fn reason(ended: &RequestEnd) -> String {
    last_stderr_line(ended).or_else(|| ended.lost.clone()).map_or_else(String::new, |why| format!(": {why}"))
}
