//! Writes results, on a thread of its own.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mer_core::Status;
use tokio::sync::{mpsc, oneshot};

use super::{
    error_lines::ErrorLines,
    file_results::FileResults,
    finished::{Body, Finished, Ran},
    folder_results::FolderResults,
    kept_index::KeptIndex,
    render::render,
};
use crate::{
    error::BatchError,
    ledger::{Kind, Record},
    options::OutputFormat,
};

/// Where results are written.
pub(crate) enum Destination {
    /// One file with a ledger.
    File(FileResults),
    /// A folder with a ledger beside it.
    Folder(FolderResults),
    /// A stream.
    Stream(Box<dyn io::Write + Send>),
    /// A device or a named pipe, which is opened by the thread that writes.
    Special(PathBuf),
}

/// What the writer is to do.
pub(crate) enum Write {
    /// Write these results, of this size in bytes.
    Results(Vec<Finished>, usize),
    /// Make durable what was written.
    Sync,
    /// Remove what is no longer wanted: the batch is complete.
    Complete(Option<KeptIndex>),
}

/// Writes results in the order in which they come.
pub(crate) struct Writer {
    /// Where they go.
    pub(crate) destination: Destination,
    /// Their form.
    pub(crate) format: OutputFormat,
    /// The file of errors.
    pub(crate) errors: Option<ErrorLines>,
}

/// Counts the bytes of results that are not written yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteQueue(Arc<AtomicUsize>);

impl WriteQueue {
    /// Counts results, and makes a message of them.
    pub(crate) fn message(&self, results: Vec<Finished>) -> Write {
        let bytes = results.iter().map(Finished::weight).sum();
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Write::Results(results, bytes)
    }

    /// Size of the results that are not written yet, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A writer that was started.
pub(crate) struct Started {
    /// Takes what is to be written. Closed early if writing fails.
    pub(crate) writes: mpsc::Sender<Write>,
    /// How it ended, once `writes` is dropped or closed.
    pub(crate) end: oneshot::Receiver<Result<(), BatchError>>,
    /// What is not written yet.
    pub(crate) queue: WriteQueue,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`BatchError::Thread`].
    pub(crate) fn start(self) -> Result<Started, BatchError> {
        /// Number of unread messages, each of many results.
        const UNREAD: usize = 16;
        let (writes, receiver) = mpsc::channel(UNREAD);
        let (ended, end) = oneshot::channel();
        let queue = WriteQueue::default();
        let counter = queue.clone();
        let run = move || {
            // The batch may be gone.
            let _ = ended.send(self.run(receiver, &counter));
        };
        let thread = std::thread::Builder::new().name("mer-batch-write".to_owned());
        thread.spawn(run).map_err(|source| BatchError::Thread { source })?;
        Ok(Started { writes, end, queue })
    }

    fn run(mut self, mut writes: mpsc::Receiver<Write>, queue: &WriteQueue) -> Result<(), BatchError> {
        if let Destination::Special(path) = &self.destination {
            let opened = mer_files::open_output(path);
            let file = opened.map_err(|source| BatchError::Write { path: path.clone(), source })?;
            self.destination = Destination::Stream(Box::new(file));
        }
        while let Some(write) = writes.blocking_recv() {
            match write {
                Write::Results(results, bytes) => {
                    self.write(&results)?;
                    queue.0.fetch_sub(bytes, Ordering::Relaxed);
                }
                Write::Sync => self.sync()?,
                Write::Complete(kept) => self.complete(kept)?,
            }
            if writes.is_empty() {
                self.flush()?;
            }
        }
        self.flush()?;
        self.sync()
    }

    fn write(&mut self, results: &[Finished]) -> Result<(), BatchError> {
        let mut buffer = Vec::new();
        for finished in results {
            if !matches!(self.destination, Destination::Stream(_)) {
                buffer.clear();
            }
            self.add(finished, &mut buffer)?;
        }
        if let Destination::Stream(stream) = &mut self.destination {
            stream.write_all(&buffer).map_err(|source| BatchError::WriteStream { source })?;
        }
        Ok(())
    }

    /// Writes a result, or adds it to the buffer for a stream.
    fn add(&mut self, finished: &Finished, buffer: &mut Vec<u8>) -> Result<(), BatchError> {
        if let (Body::Ran(ran), Some(errors)) = (&finished.body, &mut self.errors)
            && !ran.is_success()
        {
            errors.add(finished, ran);
        }
        let record = |kind| Record { key: finished.key, kind, end: 0, result: [0; 16], content: finished.content };
        let id = finished.id.as_deref();
        match (&mut self.destination, &finished.body) {
            (Destination::File(file), Body::Ran(ran)) => {
                render(self.format, finished, ran, buffer);
                file.append(record(kind(ran)), buffer)
            }
            (Destination::File(file), Body::Kept(kind, result)) => file.append(record(*kind), result),
            (Destination::File(file), Body::Shared(first)) => {
                let (shared, result) = file.result(*first)?;
                file.append(record(shared.kind), &result)
            }
            (Destination::Folder(folder), Body::Ran(ran)) => folder.write(id, record(kind(ran)), &ran.output),
            (Destination::Folder(folder), Body::Shared(_)) => match folder.first_result(id, finished.key)? {
                Some(result) => folder.write(id, record(Kind::Done), &result),
                None => folder.write(id, record(Kind::Failed), b""),
            },
            (Destination::Stream(_), Body::Ran(ran)) => {
                render(self.format, finished, ran, buffer);
                Ok(())
            }
            // Only files have such results.
            (Destination::Folder(_) | Destination::Stream(_) | Destination::Special(_), _) => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), BatchError> {
        if let Some(errors) = &mut self.errors {
            errors.flush()?;
        }
        match &mut self.destination {
            Destination::File(file) => file.flush(),
            Destination::Folder(folder) => folder.flush(),
            Destination::Stream(stream) => stream.flush().map_err(|source| BatchError::WriteStream { source }),
            Destination::Special(_) => Ok(()),
        }
    }

    fn sync(&mut self) -> Result<(), BatchError> {
        match &mut self.destination {
            Destination::File(file) => file.sync(),
            Destination::Folder(folder) => folder.sync(),
            Destination::Stream(_) | Destination::Special(_) => Ok(()),
        }
    }

    fn complete(&mut self, kept: Option<KeptIndex>) -> Result<(), BatchError> {
        self.sync()?;
        match (&mut self.destination, kept) {
            (Destination::File(file), Some(kept)) => file.retain(|number| kept.is_wanted(number)),
            (Destination::File(file), None) => file.remove_spare(),
            (Destination::Folder(folder), Some(kept)) => folder.remove_gone(|key| kept.is_gone(key)),
            _ => Ok(()),
        }
    }
}

fn kind(ran: &Ran) -> Kind {
    if ran.status == Status::Succeeded { Kind::Done } else { Kind::Failed }
}
