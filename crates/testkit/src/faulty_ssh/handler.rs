//! One connection to a faulty server: authentication, channels and commands.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future;
use std::sync::{Arc, Mutex};

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf};
use tokio::sync::mpsc;

use super::conduct::Conduct;
use super::run;
use super::server::{Seen, lock};

pub(super) struct Connection {
    conduct: Arc<Conduct>,
    seen: Arc<Mutex<Seen>>,
    opened: usize,
    /// Keyboard-interactive got the right answer to its question.
    answered: bool,
    key_accepted: bool,
    channels: HashMap<ChannelId, Open>,
}

/// A channel, before and after its command has been started.
#[derive(Default)]
struct Open {
    output: Option<ChannelWriteHalf<Msg>>,
    /// Unbounded, so that a command which does not read never holds up the other channels of the connection.
    stdin: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl Connection {
    pub(super) fn new(conduct: Arc<Conduct>, seen: Arc<Mutex<Seen>>) -> Self {
        Self { conduct, seen, opened: 0, answered: false, key_accepted: false, channels: HashMap::new() }
    }

    async fn judge(&self, method: &'static str, accept: bool) -> Auth {
        lock(&self.seen).methods.push(method);
        if self.conduct.authentication_hangs {
            future::pending::<()>().await;
        }
        let early = self.conduct.key_first && !self.key_accepted;
        if accept && !early { Auth::Accept } else { self.reject() }
    }

    /// Keeps all methods open, as sshd does. The library would remove the one that failed.
    fn reject(&self) -> Auth {
        let proceed_with_methods = Some(self.conduct.methods(self.key_accepted));
        Auth::Reject { proceed_with_methods, partial_success: false }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(self.judge("none", false).await)
    }

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, Self::Error> {
        let right = self.conduct.password.as_deref() == Some(password);
        Ok(self.judge("password", right).await)
    }

    async fn auth_publickey(&mut self, _user: &str, _key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        if self.conduct.key_first && !self.conduct.no_keys {
            self.judge("publickey", false).await;
            self.key_accepted = true;
            let proceed_with_methods = Some(self.conduct.methods(true));
            return Ok(Auth::Reject { proceed_with_methods, partial_success: true });
        }
        Ok(self.judge("publickey", !self.conduct.no_keys).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(secret) = self.conduct.keyboard_interactive.clone() else {
            return Ok(self.judge("keyboard-interactive", false).await);
        };
        let answers: Option<Vec<_>> = response.map(Iterator::collect);
        match answers {
            None => {
                self.answered = false;
                self.judge("keyboard-interactive", true).await;
                Ok(round(&[(Cow::Borrowed("Password: "), false)]))
            }
            Some(answers) if self.answered => Ok(if answers.is_empty() { Auth::Accept } else { self.reject() }),
            Some(answers) => {
                self.answered = answers.len() == 1 && answers[0].as_ref() == secret.as_bytes();
                Ok(if self.answered { round(&[]) } else { self.reject() })
            }
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.conduct.channels.is_some_and(|most| self.opened >= most) {
            lock(&self.seen).refused += 1;
            // The failure that sshd reports beyond MaxSessions.
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        }
        self.opened += 1;
        let id = channel.id();
        // Input of the client is passed to `data` too, so that the reading half is not needed.
        let (_, output) = channel.split();
        self.channels.insert(id, Open { output: Some(output), stdin: None });
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        lock(&self.seen).commands.push(String::from_utf8_lossy(command).into_owned());
        let open = self.channels.entry(id).or_default();
        let Some(output) = open.output.take() else { return session.channel_failure(id) };
        let Ok(child) = run::start(command, &self.conduct) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        let (stdin, input) = mpsc::unbounded_channel();
        open.stdin = Some(stdin);
        tokio::spawn(run::supervise(child, input, output, session.handle(), Arc::clone(&self.conduct)));
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(stdin) = self.channels.get(&id).and_then(|open| open.stdin.as_ref()) {
            // A command that has ended reads no more.
            let _ = stdin.send(data.to_vec());
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(open) = self.channels.get_mut(&id) {
            open.stdin = None;
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&id);
        Ok(())
    }

    fn adjust_window(&mut self, _channel: ChannelId, current: u32) -> u32 {
        // The library renews a window that is below half of this value: with 1, never.
        if self.conduct.window_stops { 1 } else { current }
    }
}

fn round(prompts: &'static [(Cow<'static, str>, bool)]) -> Auth {
    Auth::Partial { name: Cow::Borrowed(""), instructions: Cow::Borrowed(""), prompts: Cow::Borrowed(prompts) }
}
