//! What the results of a batch depend on besides its items.

use mer_batch::Subject;
use sha2::{Digest as _, Sha256};

use crate::api::ResolvedModel;

/// Returns what the results of a batch depend on. Bounds and the list of servers are no part of it: a model whose timeout was
/// raised, or which has one replica more, gives the same results.
#[must_use]
pub fn subject(model: &ResolvedModel, mer_version: &str) -> Subject {
    let spec = &model.model().spec;
    // Replicas run the same program, perhaps from another folder.
    let params = spec.on_server(spec.servers().first().copied().unwrap_or_default());
    let command = (
        &params.inference_command,
        params.shell.unwrap_or_default(),
        &params.model_path,
        &params.env,
        &params.launcher,
    );
    let tokens = params.tokens();
    let framing = match params.protocol().stays_up() {
        true => format!("{} {:?}", params.protocol().name(), (tokens.ready, tokens.start, tokens.stop)),
        false => params.protocol().name().to_owned(),
    };
    let weights = model.weights.as_ref().map(|weights| format!("version {} ({})", weights.version, weights.sha256));
    Subject {
        model: model.model().name.clone(),
        weights: weights.unwrap_or_default(),
        // Texts, lists and maps of texts can always be written.
        command: format!("{:x}", Sha256::digest(serde_json::to_vec(&command).unwrap_or_default())),
        framing,
        mer_version: mer_version.to_owned(),
    }
}
