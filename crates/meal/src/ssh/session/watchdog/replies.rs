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
            // Sent before everything else, which only the script understands.
            self.outbox.splice(0..0, script(self.orphan_after, &nonce()).into_bytes());
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
            let waiting: Vec<_> = self.groups.keys().copied().collect();
            waiting.into_iter().for_each(|group| self.send_add(group));
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
