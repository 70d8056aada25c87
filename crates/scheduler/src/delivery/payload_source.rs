//! The bytes of a version on their way to another machine: from the file here where there is one, else from the database.

use std::{
    fs::File,
    io::{self, Read as _},
};

use bytes::{Bytes, BytesMut};
use mer_core::WeightsVersion;
use mer_dal::{DalError, Database, Download};
use tokio::sync::mpsc::Sender;

/// One read of a file.
const CHUNK: usize = 256 * 1024;

/// Where the bytes are.
pub(super) enum Source {
    File(File),
    Database(Box<Download>),
}

impl Source {
    pub(super) fn of_database(database: &Database, version: &WeightsVersion) -> Self {
        Self::Database(Box::new(Download::new(database, version)))
    }

    /// Gives all of them, unless nobody takes any more.
    pub(super) async fn pour(self, to: Sender<io::Result<Bytes>>) -> Result<(), DalError> {
        match self {
            Self::File(file) => {
                // A file that cannot be read to its end is too short over there, which is noticed.
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
