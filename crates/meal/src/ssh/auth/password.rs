//! Logging in with a password, and where secrets come from.

use ssh2::{KeyboardInteractivePrompt, Prompt};

use super::login::{LoginAttempt, LoginStop, MethodResult};
use crate::ssh::{SecretRequest, target::Password};

impl LoginAttempt<'_> {
    pub(super) fn keyboard(&mut self) -> Result<Option<MethodResult>, LoginStop> {
        let Some(password) = self.password() else { return Ok(None) };
        let mut answers = Answers { password };
        self.wait_for_server();
        let answer = self.session.userauth_keyboard_interactive(&self.hop.user, &mut answers);
        self.outcome("keyboard-interactive", answer).map(Some)
    }

    pub(super) fn by_password(&mut self) -> Result<Option<MethodResult>, LoginStop> {
        let Some(password) = self.password() else { return Ok(None) };
        self.wait_for_server();
        let answer = self.session.userauth_password(&self.hop.user, &password);
        self.outcome("password", answer).map(Some)
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
            let is_variable = matches!(&self.hop.password, Some(Password::Env(_)));
            let found = found.unwrap_or_else(|reason| {
                self.lacks_secret |= is_variable;
                self.tried.push(format!("password: {reason}"));
                None
            });
            self.secret_given |= found.is_some();
            self.password = Some(found);
        }
        self.password.clone().flatten()
    }

    pub(super) fn secret(&self, request: SecretRequest<'_>) -> Result<Option<String>, String> {
        self.secrets.map_or(Ok(None), |source| source(request))
    }
}

/// Answers every prompt without echo with the password.
struct Answers {
    password: String,
}

impl KeyboardInteractivePrompt for Answers {
    fn prompt<'a>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'a>]) -> Vec<String> {
        prompts.iter().map(|prompt| if prompt.echo { String::new() } else { self.password.clone() }).collect()
    }
}
