//! The file that a training wrote, and the version that is made of it.

use std::path::Path;

use mer_core::{Access, Model};
use mer_dal::{NewVersion, Upload};
use mer_weights::Given;
use uuid::Uuid;

use crate::{error::ServiceError, file_input::open_file, runtime::Runtime, weights::Intake};

/// The file that a training wrote.
#[derive(Debug)]
pub(crate) struct TrainedFile<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) model: &'a Model,
    pub(crate) file: &'a Path,
    /// The access of the training, with its end.
    pub(crate) access: &'a Access,
    /// Version that it was made from.
    pub(crate) parent: Option<u64>,
    pub(crate) note: Option<String>,
    /// Aliases that are to mean the version.
    pub(crate) aliases: Vec<String>,
    /// The process that collects the training, if it is a detached run.
    pub(crate) collector: Option<Uuid>,
}

impl TrainedFile<'_> {
    /// Uploads the file, and says what the version is to be.
    pub(crate) async fn upload(self) -> Result<(Upload, NewVersion), ServiceError> {
        let params = self.model.spec.on_server(&self.access.server);
        if self.file.is_dir() {
            return Err(ServiceError::TrainedFolder);
        }
        let unreadable = |source| ServiceError::OpenInput { name: self.file.display().to_string(), source };
        let input = open_file(self.file.to_owned()).await.map_err(unreadable)?;
        let given = Given { dtype: params.weights_dtype, shape: params.weights_shape };
        let intake = Intake { file: self.file.to_owned(), given, ..Intake::default() };
        let mut upload = Upload::new(self.runtime.database(), self.model);
        let sent = async {
            let done = intake.send(input, &mut upload).await?;
            if upload.bytes() == 0 {
                return Err(ServiceError::TrainedNothing);
            }
            upload.complete().await?;
            Ok(done)
        };
        let (format, inspected) = match sent.await {
            Ok(done) => done,
            Err(error) => {
                // Why it failed matters more; what is left of the upload is removed later.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        let new = NewVersion {
            format,
            dtype: inspected.dtype,
            shape: inspected.shape,
            parent: self.parent,
            access: Some(Box::new(self.access.clone())),
            collector: self.collector,
            note: self.note,
            aliases: self.aliases,
            caller: self.runtime.caller().name.clone(),
        };
        Ok((upload, new))
    }
}
