//! The life of a resident: it takes the socket, serves connections, and ends its processes.

use std::{cell::RefCell, io, os::unix::net::UnixListener as StdListener, rc::Rc, sync::Arc, time::Duration};

use mer_client::Location;
use mer_core::{Selector, Shortage};
use mer_meal::Cancel;
use mer_scheduler::Selection;
use mer_service::{ModelHost as _, Runtime};
use tokio::{sync::Semaphore, task::LocalSet};

use crate::{
    drain::{DrainCommand, DrainProcess},
    error::ServeError,
    life::Life,
    messages::Messages,
    resident_state::Resident,
    routes::serve_connection,
    socket::Socket,
};

/// Pause after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause between two looks at detached runs.
const COLLECTING: Duration = Duration::from_secs(60);
/// Maximum number of connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// Bound on the end of the processes after the first signal; their own `grace` is shorter, as a rule.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// How a resident is started.
#[derive(Debug)]
pub struct Options {
    /// Where its socket is.
    pub location: Location,
    /// The socket of a service manager, if there is one.
    pub listener: Option<StdListener>,
    /// The models to load at once.
    pub preload: Vec<Selector>,
    /// How long it goes on without anything to keep; none for good.
    pub idle_exit: Option<Duration>,
    /// Drains the journal of an embedded database.
    pub drain: DrainCommand,
    /// Version of this MER.
    pub mer_version: String,
    /// Makes the words of failures.
    pub messages: Arc<dyn Messages>,
}

/// Serves until `signal` completes, or until there is nothing to keep. `ready` is called when the socket takes connections and
/// the models that are to be there from the start have been loaded, or have failed to be.
/// `again` completes at a second signal, which ends everything at once.
///
/// # Errors
/// [`ServeError`]: it could not begin.
pub async fn serve(
    runtime: Arc<Runtime>,
    options: Options,
    ready: impl FnOnce(),
    signal: impl Future<Output = ()>,
    again: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Options { location, listener, preload, idle_exit, drain, mer_version, messages } = options;
    let socket = Socket::listen(location, listener)?;
    runtime.watch_registry();
    let (life, end, drain) = (Life::default(), Cancel::new(), DrainProcess::new(drain));
    let resident = Rc::new(Resident { runtime, life, end, drain, mer_version, messages, lacking: RefCell::default() });
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let preloaded = tokio::task::spawn_local(load_all(Rc::clone(&resident), preload));
            let tell_ready = async {
                let _ = preloaded.await;
                ready();
                std::future::pending::<()>().await;
            };
            tokio::task::spawn_local(collect_detached(Rc::clone(&resident)));
            tokio::select! {
                biased;
                () = signal => {}
                () = resident.life.over(idle_exit, || resident.runtime.keeps(None)) => {}
                () = accept(&resident, &socket) => {}
                // Requests are served meanwhile.
                () = tell_ready => {}
            }
            socket.close();
            tokio::select! {
                biased;
                () = again => {}
                () = end_processes(&resident) => {}
            }
        })
        .await;
    Ok(())
}

/// Ends all processes, and leaves the last requests a moment to be put on record.
async fn end_processes(resident: &Resident) {
    resident.life.leave();
    resident.end.cancel();
    resident.runtime.stop_kept(&Selection::All, true).await;
    let _ = tokio::time::timeout(LAST_REQUESTS, resident.life.over(None, || false)).await;
}

/// Accepts connections for ever.
async fn accept(resident: &Rc<Resident>, socket: &Socket) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut refusals = Refusals::default();
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let stream = match socket.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                refusals.not_accepted(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        refusals.accepted();
        let own = rustix::process::getuid().as_raw();
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == own => {
                let resident = Rc::clone(resident);
                tokio::task::spawn_local(async move {
                    serve_connection(&resident, stream).await;
                    drop(permit);
                });
            }
            Ok(peer) => tracing::warn!("a connection of the user with the number {} was refused", peer.uid()),
            Err(error) => tracing::warn!(%error, "a connection was refused"),
        }
    }
}

/// What was said of connections that could not be accepted: once until connections are accepted again, as it is tried ten
/// times a second.
#[derive(Debug, Default)]
struct Refusals {
    is_told: bool,
}

impl Refusals {
    /// Notes that a connection could not be accepted. Returns whether that was said.
    fn not_accepted(&mut self, error: &io::Error) -> bool {
        let is_new = !std::mem::replace(&mut self.is_told, true);
        if is_new {
            let limit = Shortage::of(error).map_or("", |_| "; a limit of this process or of the machine is reached");
            tracing::warn!("no connection can be accepted at the moment, so that calls go on alone: {error}{limit}");
        }
        is_new
    }

    fn accepted(&mut self) {
        if std::mem::take(&mut self.is_told) {
            tracing::warn!("connections are accepted again");
        }
    }
}

/// Puts the ends of detached runs on record, once a minute. What needs the engine of an embedded database happens in another
/// process.
async fn collect_detached(resident: Rc<Resident>) {
    loop {
        tokio::time::sleep(COLLECTING).await;
        if !resident.runtime.may_have_detached() {
            continue;
        }
        match resident.runtime.settings().database.url.is_embedded() {
            true => resident.drain.start(),
            false => resident.runtime.collect_detached().await,
        }
    }
}

/// Loads the models that are to be ready from the start. A failure is reported, and does not end the resident.
async fn load_all(resident: Rc<Resident>, models: Vec<Selector>) {
    for selector in models {
        // One that ends when it keeps nothing does not end in between.
        let _active = resident.life.begin();
        let loaded = async {
            let model = resident.runtime.resolve(&selector).await?;
            resident.runtime.load_kept(&model, None, Cancel::new()).await
        };
        match loaded.await {
            Ok(outcome) if outcome.succeeded() => {}
            Ok(outcome) => {
                let why = outcome.access.error.unwrap_or_default();
                tracing::warn!("`{}` could not be loaded: {why}", selector.model);
            }
            Err(error) => {
                let message = resident.messages.error(error);
                tracing::warn!("`{}` could not be loaded: {}", selector.model, message.message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_of_descriptors_is_said_once_until_it_is_over() {
        let (mut refusals, error) = (Refusals::default(), io::Error::from_raw_os_error(24));
        let said = |refusals: &mut Refusals| (0..3).map(|_| refusals.not_accepted(&error)).collect::<Vec<_>>();
        assert_eq!(said(&mut refusals), [true, false, false]);
        refusals.accepted();
        refusals.accepted();
        assert_eq!(said(&mut refusals), [true, false, false]);
    }
}
