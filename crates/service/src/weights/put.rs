//! Makes an input the next version of a model's weights.

use std::path::PathBuf;

use mer_core::{Model, WeightsFormat, Which, check_known_name};
use mer_dal::{NewVersion, Upload};
use mer_meal::Input;
use mer_weights::{Given, Inspected};

use super::{
    intake::Intake,
    resolve::{NamedVersion, check_alias, model, named, no_alias},
};
use crate::{error::ServiceError, runtime::Runtime};

/// What is known of new weights before their bytes have come.
#[derive(Debug, Clone, Default)]
pub struct NewWeights {
    /// The model.
    pub model: String,
    /// The name of the file, by whose ending the format is known where it is not given.
    pub file: PathBuf,
    /// The format, where it is given.
    pub format: Option<WeightsFormat>,
    /// Type and shape of the elements, where they are given.
    pub given: Given,
    /// Whether all elements must be finite.
    pub finite: bool,
    /// The version that they were made from.
    pub parent: Option<u64>,
    /// A note.
    pub note: Option<String>,
    /// Aliases that are to mean the new version.
    pub aliases: Vec<String>,
}

/// New weights whose model, parent and aliases were checked.
#[derive(Debug)]
pub struct PreparedPut {
    weights: NewWeights,
    model: Model,
}

/// A version that was made, and what its bytes are like.
#[derive(Debug)]
pub struct Put {
    /// The version and its aliases.
    pub named: NamedVersion,
    /// What was found in the bytes.
    pub inspected: Inspected,
}

/// Checks what can be checked before there are bytes.
///
/// # Errors
/// There is no such model or parent, an alias cannot have its name, or the database cannot be read.
pub async fn prepare_put(runtime: &Runtime, mut weights: NewWeights) -> Result<PreparedPut, ServiceError> {
    for alias in &weights.aliases {
        check_known_name(alias).map_err(|error| no_alias(alias, error))?;
    }
    let model = runtime
        .in_session(async |store| {
            let model = model(store, &weights.model).await?;
            if let Some(parent) = weights.parent {
                named(store, &model, &Which::Version(parent)).await?;
            }
            for alias in &weights.aliases {
                check_alias(store, &model, alias).await?;
            }
            Ok::<_, ServiceError>(model)
        })
        .await?;
    // An alias that is given twice counts once.
    weights.aliases.sort();
    weights.aliases.dedup();
    Ok(PreparedPut { weights, model })
}

impl PreparedPut {
    /// Uploads the bytes and makes them a version.
    ///
    /// # Errors
    /// The bytes are not what they are said to be, the input ended with an error, or the database cannot be written.
    pub async fn put(self, runtime: &Runtime, input: Input) -> Result<Put, ServiceError> {
        let Self {
            weights: NewWeights { file, format: given_format, given, finite, parent, note, aliases, .. },
            model,
        } = self;
        let mut upload = Upload::new(runtime.database(), &model);
        let intake = Intake { format: given_format, file, given, finite };
        let (format, inspected) = match intake.send(input, &mut upload).await {
            Ok(done) => done,
            Err(error) => {
                // Why it failed matters more; what is left of the upload is removed later.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        if upload.bytes() == 0 && given_format.is_none() {
            upload.abort().await?;
            return Err(ServiceError::EmptyWeights);
        }
        let new = NewVersion {
            format,
            dtype: inspected.dtype,
            shape: inspected.shape.clone(),
            parent,
            access: None,
            collector: None,
            note,
            aliases,
            caller: runtime.caller().name.clone(),
        };
        let version = upload.finish(&new).await?;
        Ok(Put { named: NamedVersion { version, aliases: new.aliases }, inspected })
    }
}
