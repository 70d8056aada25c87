//! Offers keys, one after the other.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{
    agent_client::AgentClient,
    agent_relay::AgentRelay,
    key_file::PrivateKey,
    key_order::{Candidate, KeyOrder, Signer, key_order},
    login::{LoginAttempt, LoginStop, MethodResult},
    relay_server::Offer,
};
use crate::ssh::{SecretRequest, session::libssh2_codes};

/// How long an agent may take to list its keys. Signing may take longer, because a person may have to confirm it.
const AGENT_BOUND: Duration = Duration::from_secs(5);

impl LoginAttempt<'_> {
    /// Offers the remaining keys until the server accepts one. `None` if there were none.
    pub(super) fn public_keys(&mut self) -> Result<Option<MethodResult>, LoginStop> {
        let mut plan = match self.keys.take() {
            Some(plan) => plan,
            None => self.plan()?,
        };
        let mut last = None;
        while !plan.candidates.is_empty() {
            let candidate = plan.candidates.remove(0);
            if candidate.public.as_ref().is_some_and(|public| self.settled.contains(&public.blob)) {
                continue;
            }
            match self.offer(&candidate)? {
                Some(MethodResult::Refused) => last = Some(MethodResult::Refused),
                None => {}
                Some(answer) => {
                    last = Some(answer);
                    break;
                }
            }
        }
        self.keys = Some(plan);
        Ok(last)
    }

    /// Reads key files and agent, and puts the keys into order.
    fn plan(&mut self) -> Result<KeyOrder, LoginStop> {
        let mut agent = self.open_agent();
        let mut held = Vec::new();
        if let Some(client) = &mut agent {
            let bound = AGENT_BOUND.min(self.hop.auth_timeout / 2);
            match client.keys(self.deadline.min(Instant::now() + bound)) {
                Ok(keys) => held = keys,
                Err(error) => {
                    let why = if error.kind() == std::io::ErrorKind::TimedOut {
                        format!("it does not answer within {}", mer_core::Bound::After(bound))
                    } else {
                        error.to_string()
                    };
                    self.tried.push(format!("{}: {why}", self.agent_name()));
                    agent = None;
                }
            }
        }
        let found = key_order(self.hop, &held);
        self.tried.extend(found.notes.iter().cloned());
        if agent.is_some() && held.is_empty() {
            self.tried.push(format!("{}: it has no key", self.agent_name()));
        }
        let offers = found.candidates.iter().filter_map(|candidate| match (&candidate.signer, &candidate.public) {
            (Signer::Agent(signer), Some(public)) => Some(Offer { blob: public.blob.clone(), signer: signer.clone() }),
            _ => None,
        });
        let offers: Vec<_> = offers.collect();
        match agent.filter(|_| !offers.is_empty()) {
            Some(client) => {
                match AgentRelay::start(self.session, client, offers, &self.hop.socket_folders, self.deadline) {
                    Ok(relay) => self.relay = Some(relay),
                    Err(reason) => self.tried.push(format!("{}: {reason}", self.agent_name())),
                }
            }
            None if !held.is_empty() => {
                self.tried.push(format!("{}: it has no key for this", self.agent_name()));
            }
            None => {}
        }
        Ok(found)
    }

    fn agent_name(&self) -> String {
        self.hop.agent.as_ref().map_or_else(|| "agent".to_owned(), |path| format!("agent `{}`", path.display()))
    }

    /// Offers one key. `None` if the server was not asked, or its answer does not count.
    fn offer(&mut self, candidate: &Candidate) -> Result<Option<MethodResult>, LoginStop> {
        match &candidate.signer {
            Signer::Agent(_) => self.by_agent(candidate),
            Signer::File(path, key) if key.is_encrypted => self.encrypted(candidate, path, key),
            Signer::File(_, key) => {
                self.wait_for_server();
                let line = candidate.public.as_ref().filter(|public| public.is_certificate());
                let line = line.map(super::public_key::PublicKey::line);
                let answer = self.session.userauth_pubkey_memory(&self.hop.user, line.as_deref(), &key.text, None);
                self.judged(candidate, answer).map(Some)
            }
        }
    }

    fn by_agent(&mut self, candidate: &Candidate) -> Result<Option<MethodResult>, LoginStop> {
        let Some(public) = &candidate.public else { return Ok(None) };
        self.wait_for_server();
        self.step = format!("waiting for {} or the server", self.agent_name());
        let Some(relay) = &self.relay else { return Ok(None) };
        let Some(answer) = relay.offer(&self.hop.user, &public.blob) else { return Ok(None) };
        if let Some(trouble) = relay.take_trouble() {
            // The server would have accepted the key.
            self.tried.push(format!("{}: {}: {trouble}", candidate.what, self.agent_name()));
            if Instant::now() >= self.deadline {
                self.step = format!("waiting for {} to sign", self.agent_name());
                return Err(LoginStop::TimedOut);
            }
            return Ok(None);
        }
        self.judged(candidate, answer).map(Some)
    }

    /// Offers an encrypted key. The passphrase is requested only if the server would accept the key.
    fn encrypted(
        &mut self,
        candidate: &Candidate,
        path: &Path,
        key: &PrivateKey,
    ) -> Result<Option<MethodResult>, LoginStop> {
        let what = &candidate.what;
        let line = candidate.public.as_ref().map(super::public_key::PublicKey::line);
        if let Some(line) = &line {
            self.wait_for_server();
            // With an invalid private key the server is asked, and nothing is signed.
            let answer = self.session.userauth_pubkey_memory(&self.hop.user, Some(line), "-", None);
            let wanted = answer.as_ref().is_err_and(is_unsigned);
            if !wanted {
                return self.judged(candidate, answer).map(Some);
            }
        }
        let passphrase = match self.secret(SecretRequest::Passphrase(path)) {
            Ok(Some(passphrase)) => passphrase,
            Ok(None) => {
                self.lacks_secret = true;
                self.tried.push(format!(
                    "{what}: it is encrypted, and its passphrase cannot be asked for here; `ssh-add {}` gives it to an \
                     agent",
                    path.display()
                ));
                return Ok(None);
            }
            Err(reason) => {
                self.tried.push(format!("{what}: {reason}"));
                return Ok(None);
            }
        };
        self.secret_given = true;
        self.wait_for_server();
        let answer = self.session.userauth_pubkey_memory(&self.hop.user, line.as_deref(), &key.text, Some(&passphrase));
        if answer.as_ref().is_err_and(|error| is_unsigned(error) || is_unread(error)) {
            let _ = self.secret(SecretRequest::WrongPassphrase(path));
            self.tried.push(format!("{what}: its passphrase is wrong"));
            return Ok(None);
        }
        self.judged(candidate, answer).map(Some)
    }

    /// Evaluates the server's answer to a key.
    fn judged(&mut self, candidate: &Candidate, answer: Result<(), ssh2::Error>) -> Result<MethodResult, LoginStop> {
        if let Some(public) = &candidate.public {
            self.settled.insert(public.blob.clone());
        }
        // The signature was correct, and the server wants more: libssh2 has no other error for this.
        let signed = answer.as_ref().is_err_and(|error| {
            libssh2_codes::is(error, libssh2_codes::UNVERIFIED) && error.message().starts_with("Invalid signature")
        });
        if signed && self.stop_of(&answer).is_none() {
            self.offered += 1;
            self.tried.push(format!("{}: accepted, but not enough", candidate.what));
            return Ok(MethodResult::Partly);
        }
        if answer.as_ref().is_err_and(is_unsigned) {
            self.offered += 1;
            self.tried
                .push(format!("{}: the server would take it, but the private key cannot be used", candidate.what));
            return Ok(MethodResult::Refused);
        }
        self.outcome(&candidate.what, answer)
    }

    /// Connects to the agent, if there is one.
    fn open_agent(&mut self) -> Option<AgentClient> {
        let path = self.hop.agent.as_ref()?;
        self.step = format!("waiting for the agent `{}`", path.display());
        match AgentClient::connect(path) {
            Ok(agent) => Some(agent),
            Err(error) => {
                self.tried.push(format!("agent `{}`: {error}", path.display()));
                None
            }
        }
    }

    fn stop_of(&self, answer: &Result<(), ssh2::Error>) -> Option<LoginStop> {
        answer.as_ref().err().and_then(|error| self.stop(error))
    }
}

/// Whether the server would accept the key, and signing failed.
fn is_unsigned(error: &ssh2::Error) -> bool {
    libssh2_codes::is(error, libssh2_codes::UNVERIFIED) && error.message().starts_with("Callback")
}

/// Whether the key could not be read, so that the server was not asked.
fn is_unread(error: &ssh2::Error) -> bool {
    let asked = [libssh2_codes::UNVERIFIED, libssh2_codes::AUTHENTICATION_FAILED, libssh2_codes::TIMEOUT];
    !libssh2_codes::is_gone(error) && !asked.iter().any(|asked| libssh2_codes::is(error, *asked))
}
