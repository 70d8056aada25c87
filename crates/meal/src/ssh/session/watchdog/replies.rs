//! The replies of the watchdog, line by line.

use std::{sync::Arc, time::Instant};

use super::{ASK, LOOK, Phase, SLOWEST_BEAT, Watchdog, script::script};
use crate::ssh::session::{
    Request,
    handle::GuardFolder,
    wrapper::{greeting, nonce, same_namespace},
};

impl Watchdog {
    /// Takes complete lines from its output.
    pub(in crate::ssh::session) fn receive(&mut self, memory: &mut Vec<u8>) {
        if !self.greeted {
            let text = String::from_utf8_lossy(memory);
            let Some(greeting) = greeting(&text, &self.nonce) else { return };
            self.namespace = greeting.namespace;
            // Nothing follows the greeting before the script is sent.
            memory.clear();
            self.greeted = true;
            self.unsent_script = script(self.orphan_after, &nonce()).into_bytes();
        }
        while let Some(end) = memory.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = memory.drain(..=end).collect();
            self.receive_line(String::from_utf8_lossy(&line).trim());
        }
    }

    fn receive_line(&mut self, line: &str) {
        if self.phase == Phase::Starting
            && let Some(folder) = line.strip_prefix('r')
        {
            self.phase = Phase::Ready;
            self.take_folder(folder);
            self.next_beat = Instant::now() + (self.orphan_after / 3).min(SLOWEST_BEAT);
            self.refuse_strangers();
            // The groups come before the lines that waited: a group that is reported as gone must not be added later.
            let held = std::mem::take(&mut self.outbox);
            let waiting: Vec<_> = self.groups.keys().copied().collect();
            waiting.into_iter().for_each(|group| self.send_add(group));
            self.outbox.extend_from_slice(&held);
            return;
        }
        let Some((verb, Ok(group))) = line.split_once(' ').map(|(verb, group)| (verb, group.parse::<i32>())) else {
            return;
        };
        let Some(entry) = self.groups.get_mut(&group) else { return };
        match verb {
            "a" => {
                if let Some(reply) = entry.reply.take() {
                    let _ = reply.send(Ok(()));
                }
            }
            "e" if !entry.left => {
                entry.left = true;
                entry.run.send(Request::Left(Arc::clone(&entry.run_state)));
            }
            "s" if entry.released.is_some() => entry.released = Some(Instant::now() + ASK),
            // The run is over as far as it can be known, and the group cannot be ended.
            "n" if entry.run_state.exit().is_some() => drop(self.groups.remove(&group)),
            "n" => {
                entry.run_state.not_permitted();
                entry.released = entry.released.map(|_| Instant::now() + LOOK);
            }
            "g" => {
                entry.run_state.gone();
                self.groups.remove(&group);
            }
            _ => {}
        }
    }

    /// Takes the folder and the process ID behind it, if there is a folder. The one of a watchdog that was killed is
    /// removed.
    fn take_folder(&mut self, text: &str) {
        if let Some(old) = self.folder.take() {
            self.send(&format!("d {}\n", old.path));
        }
        if let Some((path, Ok(pid))) = text.trim().split_once(' ').map(|(path, pid)| (path, pid.parse())) {
            self.folder = Some(Arc::new(GuardFolder::new(path.to_owned(), pid)));
        }
        self.shared.set_folder(self.folder.clone());
    }

    /// Drops groups that the watchdog cannot see.
    fn refuse_strangers(&mut self) {
        let namespace = &self.namespace;
        for (_, entry) in self.groups.extract_if(.., |_, entry| same_namespace(namespace, &entry.namespace).is_err()) {
            if let (Some(reply), Err(error)) = (entry.reply, same_namespace(namespace, &entry.namespace)) {
                let _ = reply.send(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::sync::{Notify, oneshot};

    use super::{Phase, Watchdog};
    use crate::ssh::session::{SessionHandle, handle::GuardedGroup, run_state::RunState};

    fn new() -> Watchdog {
        let handle = SessionHandle::new(Arc::new(Notify::new())).expect("a handle");
        let mut watchdog = Watchdog::new(Duration::from_secs(30), "mer00".to_owned(), Arc::clone(handle.shared()));
        watchdog.phase = Phase::Starting;
        watchdog
    }

    fn guard(watchdog: &mut Watchdog, group: i32) -> Arc<RunState> {
        let (run_state, run, (reply, _)) =
            (Arc::new(RunState::new()), Arc::clone(&watchdog.shared), oneshot::channel());
        let guarded = GuardedGroup { group, namespace: String::new(), name: None };
        watchdog.guard(guarded, Duration::from_millis(300), Arc::clone(&run_state), run, reply);
        run_state
    }

    fn hear(watchdog: &mut Watchdog, text: &str) {
        watchdog.receive(&mut text.as_bytes().to_vec());
    }

    fn sent(watchdog: &mut Watchdog) -> String {
        assert!(watchdog.has_outgoing());
        String::from_utf8(watchdog.outgoing()).expect("UTF-8")
    }

    /// Lets a watchdog that starts answer, and returns what it is sent then.
    fn ready(watchdog: &mut Watchdog) -> String {
        assert!(!watchdog.has_outgoing() && watchdog.outgoing().is_empty(), "sent before it greets");
        hear(watchdog, "mer00=7 7 .\n");
        let script = sent(watchdog);
        assert!(script.starts_with("exec 2>/dev/null;") && script.lines().count() == 1, "{script}");
        assert!(!watchdog.has_outgoing() && watchdog.outgoing().is_empty(), "sent before the script has answered");
        hear(watchdog, "r\n");
        sent(watchdog)
    }

    /// The first line is taken for the script, so that nothing may come before it.
    #[test]
    fn nothing_is_sent_before_the_script_has_answered() {
        let mut watchdog = new();
        guard(&mut watchdog, 41);
        watchdog.terminate(41);
        watchdog.kill(41);
        watchdog.beat();
        assert_eq!(ready(&mut watchdog), "a 41 3\nt 41\nk 41\nr 41\nb\n");
    }

    #[test]
    fn the_next_one_takes_over_groups_and_requests() {
        let mut watchdog = new();
        let runs = [41, 42, 43].map(|group| guard(&mut watchdog, group));
        ready(&mut watchdog);
        hear(&mut watchdog, "a 41\na 42\na 43\n");
        watchdog.terminate(42);
        watchdog.kill(43);
        assert_eq!(sent(&mut watchdog), "t 42\nk 43\nr 43\n");
        // It was killed. Until the next one has answered, a run ends and another one begins.
        assert!(watchdog.may_begin_again());
        watchdog.phase = Phase::Starting;
        watchdog.terminate(41);
        guard(&mut watchdog, 44);
        assert_eq!(ready(&mut watchdog), "h 41 3\nh 42 3\nh 43 3\na 44 3\nt 42\nt 41\n");
        watchdog.tick(std::time::Instant::now());
        assert!(sent(&mut watchdog).ends_with("r 43\n"));
        hear(&mut watchdog, "g 43\n");
        assert_eq!(runs.map(|run| run.is_gone()), [false, false, true]);
    }

    #[test]
    fn without_a_watchdog_nothing_is_to_be_sent() {
        let mut watchdog = new();
        guard(&mut watchdog, 41);
        watchdog.terminate(41);
        watchdog.fail(&crate::ssh::session::GuardError::NoChannel);
        watchdog.kill(41);
        assert!(!watchdog.has_outgoing() && watchdog.outgoing().is_empty());
        assert!(!watchdog.may_begin_again());
    }
}
