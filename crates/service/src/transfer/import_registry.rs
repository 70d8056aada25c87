//! Import of servers and models.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mer_core::{Model, Registry, RegistryError};
use mer_dal::{Applied, DalError, RegistryCopy, Store};

use super::{reader::RecordReader, record::Record};
use crate::{error::ServiceError, runtime::Runtime};

/// Tolerance for the time at which a script began.
const SLACK: Duration = Duration::from_millis(100);

/// What was imported.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub(super) servers: u64,
    pub(super) models: u64,
    /// Models that were removed.
    pub(super) dropped: Vec<String>,
    /// The first line that is neither a server nor a model.
    pub(super) next: Option<Record>,
}

/// Imports servers and models in one transaction.
pub(super) async fn import(runtime: &Runtime, lines: &mut RecordReader) -> Result<Imported, ServiceError> {
    let mut read = Read::default();
    let next = loop {
        match lines.next().await? {
            Some(Record::Server(server)) => {
                read.note(lines, "server", &server.name, &server.uid)?;
                read.copy.servers.push(*server);
            }
            Some(Record::Model(model)) => {
                read.note(lines, "model", &model.name, &model.uid)?;
                read.copy.models.push(*model);
            }
            line => break line,
        }
    };
    // Half a registry is worse than none.
    if next.is_none() {
        return Err(lines.wrong_whole("ends early: nothing has been taken over").into());
    }
    let (servers, models) = (read.copy.servers.len() as u64, read.copy.models.len() as u64);
    if servers == 0 && models == 0 {
        return Ok(Imported { next, ..Imported::default() });
    }
    let session = runtime.session().await?;
    let done = restore(&session, read, lines).await;
    session.close().await?;
    Ok(Imported { servers, models, dropped: done?, next })
}

/// Restores what was read. Returns the models that were removed.
async fn restore(store: &Store, read: Read, lines: &RecordReader) -> Result<Vec<String>, ServiceError> {
    let (servers, models) = (store.servers().await?, store.models().await?);
    let known = Registry::of(&servers, &models);
    let registry = read.registry();
    registry.check(&known).map_err(|error| match read.line_of(&error) {
        Some(line) => lines.refused(line, error),
        None => lines.wrong_whole("has a registry that cannot be").caused_by(error),
    })?;
    let applied = store.applied().await?.unwrap_or_default();
    let named: BTreeSet<&str> = registry.models.keys().map(String::as_str).collect();
    let seeds = models.iter().filter(|model| !named.contains(model.name.as_str()) && is_seed(model, &applied));
    let dropped: Vec<String> = seeds.map(|model| model.name.clone()).collect();
    // A uid must not belong to another object that stays here.
    let stays = |name: &str| !named.contains(name) && !dropped.iter().any(|gone| gone == name);
    let uids = servers.iter().filter(|server| !registry.servers.contains_key(&server.name)).map(|s| (&s.uid, &s.name));
    for (uid, name) in uids.chain(models.iter().filter(|model| stays(&model.name)).map(|m| (&m.uid, &m.name))) {
        if let Some((line, _)) = read.uids.get(uid) {
            return Err(lines.refused_field(*line, "uid", format!("is that of `{name}`, which is here")).into());
        }
    }
    let mut copy = RegistryCopy { dropped, ..read.copy };
    loop {
        match store.restore(&copy).await {
            // It has been trained here, so it stays.
            Err(DalError::HasWeights { model }) if copy.dropped.contains(&model) => {
                copy.dropped.retain(|name| *name != model);
            }
            Err(reason @ DalError::HasWeights { .. }) => {
                return Err(ServiceError::DifferentModel { reason: Box::new(reason) });
            }
            done => return Ok(done.map(|()| copy.dropped)?),
        }
    }
}

/// Servers and models, with their lines.
#[derive(Default)]
struct Read {
    copy: RegistryCopy,
    /// Lines by object and name.
    lines: BTreeMap<(&'static str, String), u64>,
    /// Lines and names by uid.
    uids: BTreeMap<String, (u64, String)>,
}

impl Read {
    /// Notes the line of an object. Neither its name nor its uid may occur twice.
    fn note(&mut self, lines: &RecordReader, object: &'static str, name: &str, uid: &str) -> Result<(), ServiceError> {
        let line = lines.count;
        if let Some(first) = self.lines.insert((object, name.to_owned()), line) {
            return Err(lines
                .refused_field(line, "name", format!("is that of the {object} in line {first} too"))
                .into());
        }
        if let Some((first, _)) = self.uids.insert(uid.to_owned(), (line, name.to_owned())) {
            return Err(lines.refused_field(line, "uid", format!("is that of line {first} too")).into());
        }
        Ok(())
    }

    fn line_of(&self, error: &RegistryError) -> Option<u64> {
        let (object, name) = error.object();
        self.lines.iter().find(|((kind, known), _)| *kind == object && known == name).map(|(_, line)| *line)
    }

    fn registry(&self) -> Registry {
        Registry::of(&self.copy.servers, &self.copy.models)
    }
}

/// Whether a script has registered the model, and it has not been changed since. Such a model is removed: the database that was
/// exported had it too once, and it was removed there.
fn is_seed(model: &Model, applied: &[Applied]) -> bool {
    let during = |script: &Applied| {
        let took = Duration::try_from_secs_f64(script.duration_ms.max(0.0) / 1e3).unwrap_or_default() + SLACK;
        let began = script.applied_at.checked_sub(took).unwrap_or(script.applied_at);
        (began..=script.applied_at).contains(&model.last_updated)
    };
    applied.iter().any(during)
}
