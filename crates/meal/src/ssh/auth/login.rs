//! The attempt to log in: methods in their order, and how the server answers each.

use std::{collections::HashSet, time::Instant};

use ssh2::Session;

use super::{agent_relay::AgentRelay, key_order::KeyOrder};
use crate::ssh::{
    SshError,
    session::{libssh2_codes, set_call_timeout},
    target::{Hop, Method, SecretSource},
};

/// Maximum number of methods that are completed one after the other.
const MOST_ROUNDS: usize = 6;
/// Maximum number of characters of the server's banner in the error.
const BANNER: usize = 300;

/// A login that failed.
pub(in crate::ssh) struct LoginFailure {
    /// Lists everything that was tried.
    pub(in crate::ssh) error: SshError,
    /// Whether the server may only have lost the connection: it hung up, and was given no password or passphrase, of which
    /// a second try would cost the account one more.
    pub(in crate::ssh) may_be_cut: bool,
}

/// Logs in.
pub(in crate::ssh) fn authenticate(
    session: &Session,
    hop: &Hop,
    secrets: Option<&SecretSource>,
) -> Result<(), LoginFailure> {
    let deadline = Instant::now() + hop.auth_timeout;
    let mut attempt = LoginAttempt {
        session,
        hop,
        secrets,
        deadline,
        tried: Vec::new(),
        step: "waiting for the server".to_owned(),
        offered: 0,
        keys: None,
        settled: HashSet::new(),
        relay: None,
        password: None,
        secret_given: false,
        lacks_secret: false,
    };
    let result = attempt.run();
    let Err(stop) = result else { return Ok(()) };
    let (user, host) = (hop.user.clone(), hop.label());
    let may_be_cut = matches!(stop, LoginStop::HungUp) && !attempt.secret_given;
    let error = match stop {
        LoginStop::Failed | LoginStop::HungUp => {
            if let Ok(Some(banner)) = session.userauth_banner() {
                attempt.tried.extend(banner_line(banner));
            }
            let hung_up_after = matches!(stop, LoginStop::HungUp).then_some(attempt.offered);
            let lacks_secret = attempt.lacks_secret;
            SshError::AuthFailed { user, host, tried: attempt.tried, hung_up_after, lacks_secret }
        }
        LoginStop::TimedOut => SshError::AuthTimedOut { user, host, after: hop.auth_timeout, step: attempt.step },
        LoginStop::Lost(detail) => SshError::ConnectionLost { host, detail },
    };
    Err(LoginFailure { error, may_be_cut })
}

/// Why the login ended without success.
pub(super) enum LoginStop {
    Failed,
    /// The server closed the connection after an attempt.
    HungUp,
    TimedOut,
    Lost(String),
}

/// The result of one method.
pub(super) enum MethodResult {
    /// The user is logged in.
    In,
    /// Accepted, as far as it is known; the server may want another method too.
    Partly,
    Refused,
}

pub(super) struct LoginAttempt<'a> {
    pub(super) session: &'a Session,
    pub(super) hop: &'a Hop,
    pub(super) secrets: Option<&'a SecretSource>,
    pub(super) deadline: Instant,
    pub(super) tried: Vec<String>,
    /// What is being waited for, for the error.
    pub(super) step: String,
    /// Number of attempts that the server has seen.
    pub(super) offered: usize,
    /// The keys to offer; read once.
    pub(super) keys: Option<KeyOrder>,
    /// Public keys that the server has accepted or refused.
    pub(super) settled: HashSet<Vec<u8>>,
    pub(super) relay: Option<AgentRelay>,
    /// The password, after it was requested once. The inner `None` means that there is none.
    pub(super) password: Option<Option<String>>,
    /// Whether a password or a passphrase was used.
    pub(super) secret_given: bool,
    /// Whether a passphrase or a password was wanted that this process cannot have.
    pub(super) lacks_secret: bool,
}

impl LoginAttempt<'_> {
    fn run(&mut self) -> Result<(), LoginStop> {
        let Some(mut offered) = self.methods()? else { return Ok(()) };
        let mut partly = false;
        for _ in 0..MOST_ROUNDS {
            let answer = self.round(&offered)?;
            if matches!(answer, MethodResult::In) {
                return Ok(());
            }
            // A refused key ends the login. A refused password may have been accepted as a part.
            if matches!(answer, MethodResult::Refused) && !matches!(self.password, Some(Some(_))) {
                break;
            }
            let now = match self.methods() {
                Ok(Some(now)) => now,
                Ok(None) => return Ok(()),
                // The server hung up on one question too many: its earlier refusal counts.
                Err(LoginStop::HungUp | LoginStop::Lost(_)) if matches!(answer, MethodResult::Refused) => break,
                Err(stop) => return Err(stop),
            };
            // After a partial success a server lists the remaining methods. libssh2 reports a partial success as a
            // refusal.
            if now == offered && !matches!(answer, MethodResult::Partly) {
                break;
            }
            self.tried.push(format!("the server requires {now} too"));
            (offered, partly) = (now, true);
        }
        let hop = self.hop;
        let keyless = !offers(&offered, Method::PublicKey);
        if (partly || keyless)
            && hop.password.is_none()
            && (offers(&offered, Method::Password) || offers(&offered, Method::KeyboardInteractive))
        {
            self.tried.push("no password is registered".to_owned());
        }
        if self.tried.is_empty() || !hop.methods.iter().any(|method| offers(&offered, *method)) {
            self.tried.push(format!("the server offers {offered}"));
        }
        Err(LoginStop::Failed)
    }

    /// Tries each method that the server offers, until one is accepted.
    fn round(&mut self, offered: &str) -> Result<MethodResult, LoginStop> {
        let hop = self.hop;
        for method in hop.methods.iter().copied().filter(|method| offers(offered, *method)) {
            let answer = match method {
                Method::PublicKey => self.public_keys()?,
                Method::KeyboardInteractive => self.keyboard()?,
                Method::Password => self.by_password()?,
            };
            if let Some(answer @ (MethodResult::In | MethodResult::Partly)) = answer {
                return Ok(answer);
            }
        }
        Ok(MethodResult::Refused)
    }

    /// The methods that the server offers now. `None` if the user is logged in.
    fn methods(&mut self) -> Result<Option<String>, LoginStop> {
        self.wait_for_server();
        let methods = self.session.auth_methods(&self.hop.user).map(str::to_owned);
        match methods {
            // No error and no list: the server wants no authentication.
            _ if self.session.authenticated() => Ok(None),
            Ok(methods) => Ok(Some(methods)),
            Err(error) => Err(self.stop(&error).unwrap_or_else(|| LoginStop::Lost(error.message().to_owned()))),
        }
    }

    pub(super) fn wait_for_server(&mut self) {
        "waiting for the server".clone_into(&mut self.step);
        set_call_timeout(self.session, self.deadline);
    }

    /// Evaluates the answer to a method.
    pub(super) fn outcome(&mut self, what: &str, answer: Result<(), ssh2::Error>) -> Result<MethodResult, LoginStop> {
        self.offered += 1;
        match answer {
            Ok(()) if self.session.authenticated() => Ok(MethodResult::In),
            Ok(()) => Ok(MethodResult::Partly),
            Err(error) => {
                if let Some(stop) = self.stop(&error) {
                    let hung_up = matches!(stop, LoginStop::HungUp);
                    self.tried.extend(hung_up.then(|| format!("{what}: the server hung up")));
                    return Err(stop);
                }
                let refused = libssh2_codes::is(&error, libssh2_codes::AUTHENTICATION_FAILED)
                    || libssh2_codes::is(&error, libssh2_codes::UNVERIFIED);
                let why = if refused { "refused".to_owned() } else { error.message().to_owned() };
                self.tried.push(format!("{what}: {why}"));
                Ok(MethodResult::Refused)
            }
        }
    }

    /// Returns why the login must end, if the error is fatal.
    pub(super) fn stop(&self, error: &ssh2::Error) -> Option<LoginStop> {
        if libssh2_codes::is(error, libssh2_codes::TIMEOUT) || Instant::now() >= self.deadline {
            return Some(LoginStop::TimedOut);
        }
        // libssh2's message if the server did not answer the offer of a key.
        let unanswered = error.message().starts_with("Waiting for") && error.message().ends_with("USERAUTH response");
        if !libssh2_codes::is_gone(error) && !unanswered {
            return None;
        }
        // Before any attempt, a closed connection is no answer to one.
        Some(if self.offered > 0 || unanswered {
            LoginStop::HungUp
        } else {
            LoginStop::Lost(error.message().to_owned())
        })
    }
}

/// Whether a list of methods contains this one.
fn offers(list: &str, method: Method) -> bool {
    list.split(',').any(|name| name.trim() == method.name())
}

/// The server's banner on one line, shortened.
fn banner_line(banner: &str) -> Option<String> {
    let words = banner.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = words.chars().take(BANNER).collect();
    (!text.is_empty()).then(|| format!("the server says: `{}`", text.escape_debug()))
}
