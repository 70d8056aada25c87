//! Where a training writes its weights, on this machine or on another.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use mer_core::{
    Access, Bound, Bounds, Classified as _, ConnType, Exit, FailureKind, Protocol, RunSpec, Status, Tokens, with_causes,
};
use mer_meal::{Cancel, CancelLevel, Executor, Input, RequestEnd, Sinks, StartError, oneshot};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::{FailureCause, Placement, outcome::Verdict};

/// The file, whose path the model is told; and what programs make of it that insist on an ending.
const NAME: &str = "weights";
const ENDINGS: [&str; 4] = ["", ".npy", ".safetensors", ".json"];

/// How long making a folder or clearing it away may take.
const SHORT: Bound = Bound::secs(30);
/// Chunks that may wait to be written here.
const QUEUE: usize = 4;
/// The longest first line: an ending, a size, a hash.
const LINE: usize = 200;

/// Makes a folder for `$1` and says where. One that was left by a training whose end nobody saw goes after a month.
const MAKE: &str = r#"umask 077
case $2 in
'') c=${XDG_CACHE_HOME:-}
    case $c in /*) ;; *) c=${HOME:+$HOME/.cache} ;; esac
    b=${c:-${TMPDIR:-/tmp}}/mer/training ;;
'~') b=$HOME/training ;;
'~/'*) b=$HOME/${2#??}/training ;;
*) b=$2/training ;;
esac
mkdir -p "$b" || exit 1
find "$b" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null
mkdir "$b/$1" && printf %s "$b/$1"
"#;

/// Ending, size and hash of the file in the folder `$1`, and its bytes; `folder` where that is one, `none` where there is
/// none. The hash is `-` where nothing there can tell it.
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

const CLEAR: &str = "rm -rf \"$1\"";

/// Where a training writes.
#[derive(Debug)]
pub(crate) enum Out {
    /// In a folder of this machine.
    Here(PathBuf),
    /// In a folder of another, from which it is fetched into one of this.
    There { executor: Executor, folder: String, scratch: PathBuf },
}

/// Why what was written did not get here.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The process that sends it could not be started.
    Start(StartError),
    /// It ended otherwise than well, and why.
    Sender(String),
    /// The connection was lost, and why.
    Lost(String),
    /// What came is not what was sent, twice.
    Differs,
    /// It is a folder.
    Folder,
    /// It could not be written here.
    Write {
        /// Into which folder.
        folder: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
}

impl Out {
    /// Sees to it that there is a folder to write to.
    pub(crate) async fn prepare(
        access: &Access,
        executor: &Executor,
        placement: &Placement,
        scratch: &Path,
        cancel: &Cancel,
    ) -> Result<Self, Verdict> {
        if placement.conn_type == ConnType::Local {
            return Ok(Self::Here(scratch.to_owned()));
        }
        let name = format!("{}-{}", access.request_uid, access.attempt);
        let (sink, mut said) = mpsc::channel::<Bytes>(QUEUE);
        let listen = async {
            let mut folder = Vec::new();
            while let Some(bytes) = said.recv().await {
                folder.extend_from_slice(&bytes);
            }
            String::from_utf8(folder).unwrap_or_default()
        };
        let words = [name.as_str(), placement.conn.cache_dir.as_deref().unwrap_or_default()];
        let (ended, folder) = tokio::join!(script(executor, MAKE, &words, SHORT, sink, cancel), listen);
        let ended = ended.map_err(|error| Verdict::not_started(&access.server, &error))?;
        if cancel.level() != CancelLevel::None {
            return Err(Verdict::cancelled_before());
        }
        if ended.exit != Some(Exit::Code(0)) || !folder.starts_with('/') {
            let why = format!("cannot make a folder for the weights on `{}`{}", access.server, said_why(&ended));
            return Err(Verdict::new(Status::Failed, FailureKind::Io, why));
        }
        Ok(Self::There { executor: executor.clone(), folder, scratch: scratch.to_owned() })
    }

    /// The path that the model is told.
    pub(crate) fn path(&self) -> OsString {
        match self {
            Self::Here(folder) => folder.join(NAME).into_os_string(),
            Self::There { folder, .. } => format!("{folder}/{NAME}").into(),
        }
    }

    /// The file on this machine, or nothing where none was written.
    pub(crate) async fn fetch(&self, cancel: &Cancel) -> Result<Option<PathBuf>, FetchError> {
        match self {
            Self::Here(folder) => {
                let mut files = ENDINGS.iter().map(|ending| folder.join(format!("{NAME}{ending}")));
                // What is a folder is told by whoever reads it, and is not thrown away.
                Ok(files.find(|file| file.is_file() || file.is_dir()))
            }
            Self::There { executor, folder, scratch } => {
                // A transfer that went wrong once may go well.
                match fetch(executor, folder, scratch, cancel).await {
                    Err(FetchError::Differs) => fetch(executor, folder, scratch, cancel).await,
                    done => done,
                }
            }
        }
    }

    /// Removes the folder on another machine, as far as that can be reached.
    pub(crate) async fn clear(&self, status: Status) {
        let Self::There { executor, folder, .. } = self else { return };
        // Over a connection that is lost nothing is cleared; the next training there does it some day.
        if status == Status::Unreachable {
            return;
        }
        // It says nothing; but a sink that is closed would end it.
        let (sink, _open) = mpsc::channel(QUEUE);
        if let Err(error) = script(executor, CLEAR, &[folder], SHORT, sink, &Cancel::new()).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the folder of a training was not removed");
        }
    }
}

impl FetchError {
    /// How the training is judged therefore. The weights stay where they are.
    pub(crate) fn verdict(&self, access: &Access, path: &str) -> Verdict {
        let server = &access.server;
        let (status, kind, why) = match self {
            Self::Start(error) => {
                (Verdict::not_started(server, error).status, error.failure_kind(), with_causes(error))
            }
            Self::Lost(why) => (Status::Unreachable, FailureKind::Unreachable, why.clone()),
            Self::Sender(why) => (Status::Failed, FailureKind::Io, why.clone()),
            Self::Differs => (Status::Failed, FailureKind::Io, "what came is not what was sent, twice".to_owned()),
            Self::Folder => (
                Status::Failed,
                FailureKind::Protocol,
                "what it wrote is a folder, and weights are one file".to_owned(),
            ),
            Self::Write { folder, source } => {
                let why = format!("they cannot be written to `{}` here: {}", folder.display(), with_causes(source));
                (Status::Failed, FailureKind::Io, why)
            }
        };
        let error = format!("the weights could not be fetched from `{server}`: {why}");
        let cause = Some(FailureCause::WeightsLeft { path: path.to_owned() });
        Verdict { cause, ..Verdict::new(status, kind, error) }
    }
}

async fn fetch(
    executor: &Executor,
    folder: &str,
    scratch: &Path,
    cancel: &Cancel,
) -> Result<Option<PathBuf>, FetchError> {
    let (sink, mut chunks) = mpsc::channel(QUEUE);
    let words = [folder];
    let sent = script(executor, SEND, &words, Bound::Never, sink, cancel);
    let taking = async {
        let taken = take(&mut chunks, scratch).await;
        match taken {
            // To its end, or the sender would be cut off; but what cannot be written is not waited for.
            Ok(_) => while chunks.recv().await.is_some() {},
            Err(_) => chunks.close(),
        }
        taken
    };
    let (ended, taken) = tokio::join!(sent, taking);
    let ended = ended.map_err(FetchError::Start)?;
    let taken = taken.map_err(|source| FetchError::Write { folder: scratch.to_owned(), source })?;
    match ended.exit {
        Some(Exit::Code(0)) => {}
        Some(exit @ (Exit::Code(_) | Exit::Signal(_))) => {
            return Err(FetchError::Sender(format!("what sends them {exit}{}", said_why(&ended))));
        }
        _ => return Err(FetchError::Lost(format!("the connection was lost{}", said_why(&ended)))),
    }
    match taken {
        Taken::Nothing => Ok(None),
        Taken::Folder => Err(FetchError::Folder),
        Taken::Whole(file) => Ok(Some(file)),
        Taken::Other => Err(FetchError::Differs),
    }
}

/// What came.
enum Taken {
    /// There is no file over there.
    Nothing,
    /// It is a folder over there.
    Folder,
    /// The file is here.
    Whole(PathBuf),
    /// Size or hash are others than those that were told.
    Other,
}

/// Writes what comes into a file here.
async fn take(chunks: &mut mpsc::Receiver<Bytes>, scratch: &Path) -> io::Result<Taken> {
    let mut line = Vec::new();
    let mut rest = loop {
        match chunks.recv().await {
            Some(chunk) => line.extend_from_slice(&chunk),
            None => return Ok(Taken::Other),
        }
        if let Some(at) = line.iter().position(|byte| *byte == b'\n') {
            let rest = line.split_off(at + 1);
            break Some(Bytes::from(rest));
        }
        if line.len() > LINE {
            return Ok(Taken::Other);
        }
    };
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut words = line.split_whitespace();
    let (first, size, told) = (words.next(), words.next(), words.next());
    let ending = match first.and_then(|first| first.strip_prefix('+')) {
        Some(ending) if ENDINGS.contains(&ending) => ending,
        _ if first == Some("none") => return Ok(Taken::Nothing),
        _ if first == Some("folder") => return Ok(Taken::Folder),
        _ => return Ok(Taken::Other),
    };
    let path = scratch.join(format!("{NAME}{ending}"));
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
    let is_told = told == Some("-") || told == Some(&format!("{:x}", hash.finalize()));
    let whole = is_told && size.and_then(|size| size.parse().ok()) == Some(bytes);
    Ok(if whole { Taken::Whole(path) } else { Taken::Other })
}

/// Runs a script over there. Its words are no part of it.
async fn script(
    executor: &Executor,
    text: &str,
    words: &[&str],
    timeout: Bound,
    stdout: mpsc::Sender<Bytes>,
    cancel: &Cancel,
) -> Result<RequestEnd, StartError> {
    let mut argv = vec!["sh".to_owned(), "-c".to_owned(), text.to_owned(), "sh".to_owned()];
    argv.extend(words.iter().map(|word| (*word).to_owned()));
    let spec = RunSpec {
        argv,
        cwd: None,
        env: BTreeMap::new(),
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: Bounds { timeout, grace: Duration::from_secs(1), ..Bounds::default() },
        leave_children: false,
    };
    let run = executor.start(&spec).await?;
    let sinks = Sinks { stdout, sent: None, stderr: None };
    Ok(oneshot(run, Input::Bytes(Bytes::new()), sinks, &spec.bounds, cancel).await)
}

/// What a script said about its failure.
fn said_why(ended: &RequestEnd) -> String {
    let said = String::from_utf8_lossy(&ended.stderr_tail);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).map(str::trim).map(str::to_owned);
    last.or_else(|| ended.lost.clone()).map_or_else(String::new, |why| format!(": {why}"))
}
