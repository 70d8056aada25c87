//! Reads the bytes of a version for another machine: from the file on this machine if there is one, else from the database.

use std::{
    fs::File,
    io::{self, Read as _},
};

use bytes::{Bytes, BytesMut};
use mer_core::WeightsVersion;
use mer_dal::{DalError, Database, Download};
use tokio::sync::mpsc::Sender;

/// Number of bytes that are read from a file at once.
const CHUNK: usize = 256 * 1024;

/// Where the bytes are read from.
pub(super) enum PayloadSource {
    File(File),
    Database(Box<Download>),
}

impl PayloadSource {
    pub(super) fn of_database(database: &Database, version: &WeightsVersion) -> Self {
        Self::Database(Box::new(Download::new(database, version)))
    }

    /// Sends all bytes, until the receiver is closed.
    pub(super) async fn send(self, to: Sender<io::Result<Bytes>>) -> Result<(), DalError> {
        match self {
            Self::File(file) => {
                // If the file cannot be read to its end, the server notices that bytes are missing.
                let _ = tokio::task::spawn_blocking(move || read(file, &to)).await;
            }
            Self::Database(mut download) => {
                while let Some(bytes) = download.next().await? {
                    if download.waiting(to.send(Ok(bytes))).await?.is_err() {
                        return download.close().await;
                    }
                }
            }
        }
        Ok(())
    }
}

fn read(mut file: File, to: &Sender<io::Result<Bytes>>) -> io::Result<()> {
    loop {
        let mut chunk = BytesMut::zeroed(CHUNK);
        let count = file.read(&mut chunk)?;
        chunk.truncate(count);
        if count == 0 || to.blocking_send(Ok(chunk.freeze())).is_err() {
            return Ok(());
        }
    }
}
