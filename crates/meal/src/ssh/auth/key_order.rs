//! Which keys are offered, and in which order.
//!
//! As in OpenSSH, keys of the agent that are named come first, then its other keys, then the remaining files. A key
//! that the registry names and that needs no passphrase comes before all of them, and a certificate before its key,
//! because servers hang up after a few keys.

use std::{io, path::PathBuf};

use super::{
    agent_client::AgentKey,
    key_file::{KeyFile, PrivateKey, certificate_of, open_to_others},
    public_key::PublicKey,
};
use crate::ssh::target::{Hop, Origin};

/// A key to offer.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The description for messages.
    pub(super) what: String,
    /// The public key or certificate, if it is known.
    pub(super) public: Option<PublicKey>,
    pub(super) signer: Signer,
}

/// What signs.
#[derive(Debug)]
pub(super) enum Signer {
    File(PathBuf, PrivateKey),
    /// The public key of the agent's key.
    Agent(Vec<u8>),
}

/// The keys to try in order, and notes about keys that cannot be used.
#[derive(Debug, Default)]
pub(super) struct KeyOrder {
    pub(super) candidates: Vec<Candidate>,
    pub(super) notes: Vec<String>,
}

/// A key file, after it was read.
struct Identity {
    path: PathBuf,
    origin: Origin,
    public: Option<PublicKey>,
    private: Option<PrivateKey>,
    certificate: Option<PublicKey>,
    /// Others can read the private key, so that it is not used.
    is_open: bool,
}

impl Identity {
    fn what(&self) -> String {
        format!("key `{}`", self.path.display())
    }

    fn is_ready(&self) -> bool {
        self.private.as_ref().is_some_and(|private| !private.is_encrypted)
    }

    fn is(&self, key: &[u8]) -> bool {
        self.public.as_ref().is_some_and(|public| public.key() == key)
    }
}

pub(super) fn key_order(hop: &Hop, agent: &[AgentKey]) -> KeyOrder {
    let mut plan = KeyOrder::default();
    let identities = plan.read(hop);
    let certificates = plan.certificates(hop);
    for identity in identities.iter().filter(|identity| identity.origin == Origin::Registry && identity.is_ready()) {
        plan.file(identity);
    }
    for (path, certificate) in &certificates {
        plan.certificate(path, certificate, &identities, agent);
    }
    for identity in &identities {
        let held = |key: &&AgentKey| identity.is(&key.public.key());
        // The agent may hold certificates of the key besides the key itself.
        let (certified, plain): (Vec<_>, Vec<_>) =
            agent.iter().filter(held).partition(|key| key.public.is_certificate());
        certified.iter().for_each(|key| plan.agent(key, None));
        for key in plain {
            if let Some(certificate) = &identity.certificate {
                plan.agent(key, Some((certificate, &identity.path)));
            }
            plan.agent(key, None);
        }
    }
    if !hop.identities_only {
        agent.iter().for_each(|key| plan.agent(key, None));
    }
    for identity in &identities {
        if identity.private.is_some() {
            plan.file(identity);
        } else if !identity.is_open && identity.public.as_ref().is_some_and(|public| !plan.has(public)) {
            let what = identity.what();
            plan.notes.push(format!("{what}: there is only the public key, and no agent has the private one"));
        }
    }
    plan
}

impl KeyOrder {
    fn read(&mut self, hop: &Hop) -> Vec<Identity> {
        let mut found = Vec::new();
        for identity in &hop.identities {
            let (path, origin) = (identity.path.clone(), identity.origin);
            let mut is_open = false;
            let (public, private) = match KeyFile::read(&path) {
                Ok(KeyFile::Private(private)) => match open_to_others(&path) {
                    Some(mode) => {
                        is_open = true;
                        let key = path.display();
                        self.notes.push(format!(
                            "key `{key}`: it is not used, because others can read it (mode {mode:04o}); `chmod 600 {key}`"
                        ));
                        (private.public, None)
                    }
                    None => (private.public.clone(), Some(private)),
                },
                // A certificate that is named as a key needs its private key in the agent.
                Ok(KeyFile::Public(public)) => (Some(public), None),
                Err(error) => {
                    if origin != Origin::Usual || error.kind() != io::ErrorKind::NotFound {
                        self.notes.push(format!("key `{}`: {error}", path.display()));
                    }
                    continue;
                }
            };
            let certificate = if hop.certificates.is_empty() { certificate_of(&path) } else { None };
            found.push(Identity { path, origin, public, private, certificate, is_open });
        }
        found
    }

    fn certificates(&mut self, hop: &Hop) -> Vec<(PathBuf, PublicKey)> {
        let mut found = Vec::new();
        for path in &hop.certificates {
            match PublicKey::read(path) {
                Some(public) if public.is_certificate() && public.is_for_users() => found.push((path.clone(), public)),
                Some(_) => self.notes.push(format!("certificate `{}`: it is not valid for users", path.display())),
                None => {
                    let why = std::fs::metadata(path).err();
                    let why = why.map_or_else(|| "it is not a certificate".to_owned(), |error| error.to_string());
                    self.notes.push(format!("certificate `{}`: {why}", path.display()));
                }
            }
        }
        found
    }

    fn has(&self, public: &PublicKey) -> bool {
        self.candidates.iter().any(|other| other.public.as_ref() == Some(public))
    }

    fn add(&mut self, candidate: Candidate) {
        // A key in the agent and the same key in a file are two candidates, because the agent may refuse to sign.
        let same = |other: &Candidate| {
            other.public.is_some()
                && other.public == candidate.public
                && matches!(other.signer, Signer::Agent(_)) == matches!(candidate.signer, Signer::Agent(_))
        };
        if !self.candidates.iter().any(same) {
            self.candidates.push(candidate);
        }
    }

    fn file(&mut self, identity: &Identity) {
        let Some(private) = &identity.private else { return };
        // A file without a known public key may be a second offer of the same key, which is better than none.
        let tried = |other: &Candidate| matches!(&other.signer, Signer::File(path, _) if *path == identity.path);
        if identity.public.is_none() && self.candidates.iter().any(tried) {
            return;
        }
        if identity.public.as_ref().is_some_and(PublicKey::is_of_security_key) {
            let what = identity.what();
            self.notes.push(format!("{what}: a security key signs by way of an agent only: ssh-add"));
            return;
        }
        let signer = || Signer::File(identity.path.clone(), private.clone());
        if let Some(certificate) = &identity.certificate {
            let what = format!("{} with its certificate", identity.what());
            self.add(Candidate { what, public: Some(certificate.clone()), signer: signer() });
        }
        self.add(Candidate { what: identity.what(), public: identity.public.clone(), signer: signer() });
    }

    fn agent(&mut self, key: &AgentKey, certificate: Option<(&PublicKey, &PathBuf)>) {
        let named = if key.comment.is_empty() { String::new() } else { format!(" `{}`", key.comment) };
        let (what, public) = match certificate {
            Some((certificate, path)) => {
                (format!("agent key{named} with the certificate of `{}`", path.display()), certificate.clone())
            }
            None => (format!("agent key{named}"), key.public.clone()),
        };
        self.add(Candidate { what, public: Some(public), signer: Signer::Agent(key.public.blob.clone()) });
    }

    /// Adds a certificate of `CertificateFile`, signed by the file or the agent that has its key.
    fn certificate(
        &mut self,
        path: &std::path::Path,
        certificate: &PublicKey,
        identities: &[Identity],
        agent: &[AgentKey],
    ) {
        let key = certificate.key();
        let what = format!("certificate `{}`", path.display());
        let file = identities.iter().filter(|identity| identity.is(&key)).find_map(|identity| {
            let private = identity.private.clone()?;
            Some((identity.is_ready(), Signer::File(identity.path.clone(), private)))
        });
        let held = agent.iter().find(|other| other.public.blob == key);
        let signer = match (file, held) {
            (Some((true, signer)), _) => Some(signer),
            (_, Some(held)) => Some(Signer::Agent(held.public.blob.clone())),
            (Some((false, signer)), None) => Some(signer),
            (None, None) => {
                // The agent holds the certificate itself.
                let whole = agent.iter().find(|other| other.public == *certificate);
                whole.map(|whole| Signer::Agent(whole.public.blob.clone()))
            }
        };
        match signer {
            Some(signer) => self.add(Candidate { what, public: Some(certificate.clone()), signer }),
            None => self.notes.push(format!("{what}: its private key is in no file that is named, and in no agent")),
        }
    }
}
