//! Logging in: keys, the agent, and passwords, in OpenSSH's order.

use std::{path::Path, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::{
    SecretRequest, SshError,
    session::{bound, code},
    target::{Hop, Password, SecretSource},
};

/// Logs in, or says everything that was tried.
pub(super) fn authenticate(session: &Session, hop: &Hop, secrets: Option<&SecretSource>) -> Result<(), SshError> {
    let deadline = Instant::now() + hop.auth_timeout;
    let mut attempt = Attempt { session, hop, secrets, deadline, tried: Vec::new(), password: None };
    match attempt.run() {
        Ok(()) => Ok(()),
        Err(Stop::Failed) => {
            Err(SshError::AuthFailed { user: hop.user.clone(), host: hop.label(), tried: attempt.tried })
        }
        Err(Stop::TimedOut) => {
            Err(SshError::AuthTimedOut { user: hop.user.clone(), host: hop.label(), after: hop.auth_timeout })
        }
        Err(Stop::Lost(detail)) => Err(SshError::ConnectionLost { host: hop.label(), detail }),
    }
}

/// Why it ended without success.
enum Stop {
    Failed,
    TimedOut,
    Lost(String),
}

struct Attempt<'a> {
    session: &'a Session,
    hop: &'a Hop,
    secrets: Option<&'a SecretSource>,
    deadline: Instant,
    tried: Vec<String>,
    /// Asked for once, and only when a method wants it.
    password: Option<Option<String>>,
}

impl Attempt<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let user = self.hop.user.as_str();
        bound(self.session, self.deadline);
        let methods = match self.session.auth_methods(user) {
            Ok(methods) => methods.to_owned(),
            Err(error) => return Err(self.stop(&error).unwrap_or_else(|| Stop::Lost(error.message().to_owned()))),
        };
        // The server may want nothing at all.
        if self.session.authenticated() {
            return Ok(());
        }
        let offers = |name: &str| methods.split(',').any(|method| method.trim() == name);
        if offers("publickey") {
            let hop = self.hop;
            for (path, _) in hop.identities.iter().filter(|(_, asked)| *asked) {
                if self.key_file(path, true)? {
                    return Ok(());
                }
            }
            if self.agent()? {
                return Ok(());
            }
            for (path, _) in hop.identities.iter().filter(|(_, asked)| !*asked) {
                if self.key_file(path, false)? {
                    return Ok(());
                }
            }
        }
        if offers("keyboard-interactive") && self.keyboard()? {
            return Ok(());
        }
        if offers("password") && self.by_password()? {
            return Ok(());
        }
        if self.tried.is_empty() || self.hop.password.is_some() {
            self.tried.push(format!("the server offers {methods}"));
        }
        Err(Stop::Failed)
    }

    /// What an answer means: logged in, refused, or the end of everything.
    fn outcome(&mut self, what: &str, answer: Result<(), ssh2::Error>) -> Result<bool, Stop> {
        match answer {
            Ok(()) if self.session.authenticated() => Ok(true),
            Ok(()) => {
                self.tried.push(format!("{what}: accepted, but another method is needed too"));
                Ok(false)
            }
            Err(error) => match self.stop(&error) {
                Some(Stop::Lost(detail)) => {
                    // sshd hangs up after MaxAuthTries.
                    self.tried.push(format!("{what}: the server hung up ({detail})"));
                    Err(Stop::Failed)
                }
                Some(stop) => Err(stop),
                None => {
                    self.tried.push(format!("{what}: {}", error.message()));
                    Ok(false)
                }
            },
        }
    }

    fn stop(&self, error: &ssh2::Error) -> Option<Stop> {
        if code::is(error, code::TIMEOUT) || Instant::now() >= self.deadline {
            return Some(Stop::TimedOut);
        }
        code::is_gone(error).then(|| Stop::Lost(error.message().to_owned()))
    }

    fn key_file(&mut self, path: &Path, asked: bool) -> Result<bool, Stop> {
        let what = format!("key `{}`", path.display());
        let key = match mer_files::read_given_to_string(path) {
            Ok(key) => key,
            Err(error) => {
                if asked || error.kind() != std::io::ErrorKind::NotFound {
                    self.tried.push(format!("{what}: {error}"));
                }
                return Ok(false);
            }
        };
        let mut passphrase = None;
        if is_encrypted(&key) {
            passphrase = match self.secret(SecretRequest::Passphrase(path)) {
                Ok(Some(passphrase)) => Some(passphrase),
                Ok(None) => {
                    self.tried.push(format!("{what}: it has a passphrase, and nobody knows it"));
                    return Ok(false);
                }
                Err(reason) => {
                    self.tried.push(format!("{what}: {reason}"));
                    return Ok(false);
                }
            };
        }
        bound(self.session, self.deadline);
        let answer = self.session.userauth_pubkey_memory(&self.hop.user, None, &key, passphrase.as_deref());
        let logged_in = self.outcome(&what, answer)?;
        if passphrase.is_some() && !logged_in {
            let _ = self.secret(SecretRequest::WrongPassphrase(path));
        }
        Ok(logged_in)
    }

    fn agent(&mut self) -> Result<bool, Stop> {
        let Some(path) = &self.hop.agent else { return Ok(false) };
        let what = format!("agent `{}`", path.display());
        bound(self.session, self.deadline);
        let opened = self.session.agent().and_then(|mut agent| {
            agent.set_identity_path(path)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok((agent, keys))
        });
        let (agent, keys) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.tried.push(format!("{what}: {}", error.message()));
                return Ok(false);
            }
        };
        let wanted: Vec<_> = self.hop.identities.iter().filter_map(|(path, _)| public_half(path)).collect();
        let mut offered = 0;
        for key in keys.iter().filter(|key| !self.hop.identities_only || wanted.iter().any(|blob| blob == key.blob())) {
            offered += 1;
            bound(self.session, self.deadline);
            let answer = agent.userauth(&self.hop.user, key);
            if self.outcome(&format!("{what} key `{}`", key.comment()), answer)? {
                return Ok(true);
            }
        }
        if offered == 0 {
            self.tried.push(format!("{what}: it has no key for this"));
        }
        Ok(false)
    }

    fn keyboard(&mut self) -> Result<bool, Stop> {
        let Some(password) = self.password() else { return Ok(false) };
        let mut answers = Answers { password, prompts: 0 };
        bound(self.session, self.deadline);
        let answer = self.session.userauth_keyboard_interactive(&self.hop.user, &mut answers);
        self.outcome("keyboard-interactive", answer)
    }

    fn by_password(&mut self) -> Result<bool, Stop> {
        let Some(password) = self.password() else { return Ok(false) };
        bound(self.session, self.deadline);
        let answer = self.session.userauth_password(&self.hop.user, &password);
        self.outcome("password", answer)
    }

    fn password(&mut self) -> Option<String> {
        if self.password.is_none() {
            let found = match &self.hop.password {
                None => Ok(None),
                Some(Password::Plain(password)) => Ok(Some(password.clone())),
                Some(Password::Env(name)) => self.secret(SecretRequest::Env(name)),
                Some(Password::File(file)) => self.secret(SecretRequest::File(file)),
                Some(Password::Command(argv)) => self.secret(SecretRequest::Command(argv)),
            };
            let found = found.unwrap_or_else(|reason| {
                self.tried.push(format!("password: {reason}"));
                None
            });
            self.password = Some(found);
        }
        self.password.clone().flatten()
    }

    fn secret(&self, request: SecretRequest<'_>) -> Result<Option<String>, String> {
        self.secrets.map_or(Ok(None), |source| source(request))
    }
}

/// Answers what looks like a question for the password.
struct Answers {
    password: String,
    prompts: usize,
}

impl KeyboardInteractivePrompt for Answers {
    fn prompt<'a>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'a>]) -> Vec<String> {
        self.prompts += prompts.len();
        prompts.iter().map(|prompt| if prompt.echo { String::new() } else { self.password.clone() }).collect()
    }
}

/// Whether a private key needs a passphrase.
fn is_encrypted(key: &str) -> bool {
    if key.contains("ENCRYPTED") {
        return true;
    }
    // OpenSSH's own format: magic, then the name of the cipher.
    let body: String = key.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let Ok(bytes) = STANDARD.decode(body) else { return false };
    bytes.strip_prefix(b"openssh-key-v1\0").is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
}

/// The public key that lies beside a private one.
fn public_half(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = mer_files::read_given_to_string(name).ok()?;
    STANDARD.decode(text.split_ascii_whitespace().nth(1)?).ok()
}
