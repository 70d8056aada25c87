//! Finds a detached run by its uid, or by the beginning of its uid.

use mer_core::{Access, DetachedRun};
use mer_meal::{Cancel, DetachedState, SupervisorId};
use mer_scheduler::DetachedHost;
use uuid::Uuid;

use crate::{error::ServiceError, log, runtime::Runtime};

/// A run that was found.
#[derive(Debug, Clone)]
pub enum FoundRun {
    /// Its end is not on record.
    Open(Box<DetachedRun>),
    /// Its end is on record.
    Closed(Box<Access>),
}

impl FoundRun {
    /// Id of the request.
    #[must_use]
    pub const fn uid(&self) -> Uuid {
        match self {
            Self::Open(run) => run.request_uid,
            Self::Closed(access) => access.request_uid,
        }
    }

    /// Name of the model.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Open(run) => &run.model,
            Self::Closed(access) => &access.model,
        }
    }
}

impl Runtime {
    /// Finds the only detached run whose uid begins so.
    ///
    /// # Errors
    /// There is none, several of them, it was no detached run, or the database cannot be read.
    pub async fn find_detached(&self, beginning: &str) -> Result<FoundRun, ServiceError> {
        if let Some(run) = self.find_open(beginning).await? {
            return Ok(FoundRun::Open(Box::new(run)));
        }
        let attempts = log::attempts(self, Some(beginning)).await?;
        let last = attempts.into_iter().next_back();
        let access = last.ok_or_else(|| ServiceError::UnknownAccess { beginning: beginning.to_owned() })?;
        if access.via.as_deref() != Some(Access::VIA_DETACHED) {
            return Err(ServiceError::NotDetached { request: access.request_uid, model: access.model });
        }
        Ok(FoundRun::Closed(Box::new(access)))
    }

    /// Returns the run whose end is not on record, and whose uid begins so, if there is exactly one request.
    ///
    /// # Errors
    /// There are several, or the database cannot be read.
    pub async fn find_open(&self, beginning: &str) -> Result<Option<DetachedRun>, ServiceError> {
        let digits: String = beginning.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
        if digits.is_empty() {
            return Ok(None);
        }
        self.in_session(async |store| {
            let mut runs = store.detached_runs().await?;
            runs.retain(|run| run.request_uid.simple().to_string().starts_with(&digits));
            let mut uids: Vec<Uuid> = runs.iter().map(|run| run.request_uid).collect();
            uids.dedup();
            if uids.len() > 1 {
                let mut candidates = Vec::new();
                for uid in uids.iter().take(10) {
                    candidates.extend(store.access(*uid).await?.into_iter().next_back());
                }
                let (beginning, count) = (beginning.to_owned(), uids.len());
                return Err(ServiceError::AmbiguousAccess { beginning, count, is_more: false, candidates });
            }
            Ok(runs.pop())
        })
        .await
    }

    /// Returns the machine and the folder of a run, and whether it is there.
    ///
    /// # Errors
    /// Its server is not registered or cannot be asked, or it is another machine's own.
    pub(super) async fn place_of(&self, found: &FoundRun) -> Result<(DetachedHost, String), ServiceError> {
        let view = self.view().await?;
        let (request, server, attempt) = match found {
            FoundRun::Open(run) => (run.request_uid, &run.server, run.attempt),
            FoundRun::Closed(access) => (access.request_uid, &access.server, access.attempt),
        };
        let home = match found {
            FoundRun::Open(run) => Some(run.host.as_str()),
            FoundRun::Closed(access) => access.caller.rsplit_once('@').map(|(_, host)| host),
        };
        if server == mer_core::LOCAL_SERVER
            && let Some(home) = home.filter(|home| *home != self.caller().host)
        {
            return Err(ServiceError::OtherMachine { request, host: home.to_owned() });
        }
        let host = self.scheduler(view.database_uid).detached_host(server, &view.servers);
        let names = || view.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>();
        let host = host.ok_or_else(|| ServiceError::unknown_object("server", server, names()))?;
        if let FoundRun::Open(run) = found
            && let Some(folder) = &run.folder
        {
            return Ok((host, folder.clone()));
        }
        let folder = host.default_folder(format!("{request}-{attempt}"));
        let seen = host.look(&[(SupervisorId::default(), folder)], &Cancel::new()).await?;
        let gone = || ServiceError::FolderGone { request, server: server.clone() };
        let seen = seen.seen.into_iter().next().ok_or_else(gone)?;
        match (seen.state, seen.folder) {
            (DetachedState::Missing | DetachedState::Removed, _) | (_, None) => Err(gone()),
            (_, Some(folder)) => Ok((host, folder)),
        }
    }
}
