//! The state of a remote run, shared by the session's thread, the watchdog and the control.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use mer_core::Exit;
use tokio::sync::watch;

use crate::local::Holding;

/// Shared by the channel of a run, the watchdog that guards its group, and the control.
#[derive(Debug)]
pub(crate) struct RunState {
    state: Mutex<State>,
    exit: watch::Sender<Option<Exit>>,
    spare: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The exit, after the channel was closed on both sides.
    closed: Option<Exit>,
    /// Why the exit is `Lost`, if it is.
    why: Option<String>,
    /// The exit, if the process has ended and other processes of its group hold the channel open.
    left: Option<Exit>,
    /// A signal was sent to the group.
    signalled: bool,
    /// The group was seen to be gone.
    gone: bool,
    /// The watchdog failed, so that the end of the group cannot be verified.
    unverifiable: bool,
}

impl RunState {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), exit: watch::Sender::new(None), spare: AtomicBool::new(false) }
    }

    /// Whether it belongs to a wrapper that waits for a run. Changed under the lock of the session's slots.
    pub(super) fn is_spare(&self) -> bool {
        self.spare.load(Ordering::Relaxed)
    }

    pub(crate) fn set_spare(&self, spare: bool) {
        self.spare.store(spare, Ordering::Relaxed);
    }

    /// Watches the exit. After a signal it is set only once the group is seen to be gone: a cancelled run with an
    /// exit left nothing behind.
    pub(crate) fn watch_exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.subscribe()
    }

    /// Keeps what the process holds until its group is gone, unless `exit` says that it is.
    pub(crate) fn hold_until_gone(self: &Arc<Self>, holding: Option<Holding>, exit: Option<Exit>) {
        let Some(holding) = holding.filter(|_| !matches!(exit, Some(Exit::Code(_) | Exit::Signal(_)))) else { return };
        let run_state = Arc::clone(self);
        holding.outlast(async move {
            let mut exit = run_state.watch_exit();
            let exit = exit.wait_for(Option::is_some).await;
            exit.is_ok_and(|exit| !matches!(*exit, Some(Exit::Lost)))
        });
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    pub(crate) fn closed(&self, exit: Exit) {
        self.update(|state| state.closed = state.closed.or(Some(exit)));
    }

    /// The exit will never be known.
    pub(crate) fn lost(&self, why: &str) {
        self.update(|state| {
            state.closed = state.closed.or(Some(Exit::Lost));
            state.why.get_or_insert_with(|| why.to_owned());
        });
    }

    /// Why the exit is not known, or why the group cannot be ended.
    pub(crate) fn why_lost(&self) -> Option<String> {
        self.exit().is_none_or(|exit| exit == Exit::Lost).then(|| self.lock().why.clone()).flatten()
    }

    /// The process has ended, with this exit, or with this reason why it is not known.
    pub(crate) fn left(&self, exit: Result<Exit, String>) {
        self.update(|state| match exit {
            Ok(exit) => state.left = Some(exit),
            Err(why) => {
                state.left = Some(Exit::Lost);
                state.why.get_or_insert(why);
            }
        });
    }

    /// The group exists, and may not be signalled.
    pub(crate) fn not_permitted(&self) {
        self.update(|state| {
            state.why.get_or_insert_with(|| "it runs as another user, and may not be signalled".to_owned());
        });
    }

    pub(crate) fn signalled(&self) {
        self.update(|state| state.signalled = true);
    }

    pub(crate) fn gone(&self) {
        self.update(|state| state.gone = true);
    }

    pub(crate) fn unverifiable(&self) {
        self.update(|state| state.unverifiable = true);
    }

    /// Whether the group was seen to be gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.lock().gone
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let known = {
            let mut state = self.lock();
            change(&mut state);
            match (state.closed, state.left) {
                (Some(Exit::Lost), _) => Some(Exit::Lost),
                (Some(exit), _) if !state.signalled || state.gone => Some(exit),
                (Some(_), _) if state.unverifiable => Some(Exit::Lost),
                (None, Some(exit)) if !state.signalled => Some(exit),
                _ => None,
            }
        };
        if known.is_some() {
            self.exit.send_if_modified(|now| {
                let first = now.is_none();
                *now = now.or(known);
                first
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, RunState};

    #[test]
    fn an_exit_is_told_when_the_channel_is_closed() {
        let run_state = RunState::new();
        run_state.closed(Exit::Code(3));
        assert_eq!(run_state.exit(), Some(Exit::Code(3)));
        run_state.lost("the cable");
        assert_eq!((run_state.exit(), run_state.why_lost()), (Some(Exit::Code(3)), None));
        let run_state = RunState::new();
        run_state.lost("the cable");
        run_state.lost("something later");
        assert_eq!((run_state.exit(), run_state.why_lost()), (Some(Exit::Lost), Some("the cable".to_owned())));
    }

    #[test]
    fn after_a_signal_only_with_proof() {
        let run_state = RunState::new();
        run_state.signalled();
        run_state.left(Ok(Exit::Code(0)));
        run_state.closed(Exit::Signal(15));
        assert_eq!(run_state.exit(), None);
        run_state.gone();
        assert_eq!(run_state.exit(), Some(Exit::Signal(15)));
        let run_state = RunState::new();
        run_state.signalled();
        run_state.closed(Exit::Signal(15));
        run_state.unverifiable();
        assert_eq!(run_state.exit(), Some(Exit::Lost));
    }

    #[test]
    fn a_process_that_left_its_pipes_to_others_has_ended() {
        let run_state = RunState::new();
        run_state.left(Ok(Exit::Code(0)));
        assert_eq!(run_state.exit(), Some(Exit::Code(0)));
        let run_state = RunState::new();
        run_state.left(Err("nothing was told".to_owned()));
        assert_eq!((run_state.exit(), run_state.why_lost()), (Some(Exit::Lost), Some("nothing was told".to_owned())));
    }

    #[test]
    fn a_group_that_may_not_be_signalled_is_not_gone() {
        let run_state = RunState::new();
        run_state.signalled();
        run_state.left(Ok(Exit::Signal(9)));
        run_state.not_permitted();
        assert_eq!(run_state.exit(), None);
        assert!(run_state.why_lost().is_some_and(|why| why.contains("another user")));
    }
}
