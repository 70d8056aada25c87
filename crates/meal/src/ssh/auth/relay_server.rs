//! The side of the agent relay that answers libssh2.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{
    agent_client::{AgentClient, FAILURE, IDENTITIES_ANSWER, LONGEST, REQUEST_IDENTITIES, SIGN_REQUEST},
    wire_format::{Reader, put_string},
};

const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// A key or certificate to offer, and the agent's key that signs for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) blob: Vec<u8>,
    pub(super) signer: Vec<u8>,
}

/// Serves libssh2's connection.
pub(super) struct RelayServer {
    pub(super) stream: UnixStream,
    pub(super) real: AgentClient,
    pub(super) offers: Vec<Offer>,
    pub(super) deadline: Instant,
    pub(super) trouble: Arc<Mutex<Option<String>>>,
}

impl RelayServer {
    /// Answers until libssh2 closes the connection.
    pub(super) fn run(mut self) {
        if self.stream.set_nonblocking(false).is_err() {
            return;
        }
        while let Some(request) = self.request() {
            let answer = self.answer(&request).unwrap_or_else(|| vec![FAILURE]);
            let mut message = Vec::new();
            put_string(&mut message, &answer);
            if self.stream.write_all(&message).is_err() {
                return;
            }
        }
    }

    fn request(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= LONGEST)?;
        let mut request = vec![0; length];
        self.stream.read_exact(&mut request).ok()?;
        Some(request)
    }

    fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader(request);
        match reader.byte()? {
            REQUEST_IDENTITIES => {
                let mut answer = vec![IDENTITIES_ANSWER];
                answer.extend_from_slice(&u32::try_from(self.offers.len()).ok()?.to_be_bytes());
                for offer in &self.offers {
                    put_string(&mut answer, &offer.blob);
                    put_string(&mut answer, b"");
                }
                Some(answer)
            }
            SIGN_REQUEST => {
                let (blob, data, flags) = (reader.string()?, reader.string()?, reader.number()?);
                let offer = self.offers.iter().find(|offer| offer.blob == blob)?;
                let algorithm = algorithm(data).unwrap_or_default();
                let flags = flags | flags_of(algorithm);
                match self.real.sign(&offer.signer, data, flags, self.deadline) {
                    Ok(answer) if algorithm.starts_with(b"sk-") => of_security_key(&answer),
                    Ok(answer) => Some(answer),
                    Err(error) => {
                        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                        None
                    }
                }
            }
            _ => None,
        }
    }
}

/// The signature algorithm in the data that a login signs.
fn algorithm(data: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(data);
    let (_session, _message) = (reader.string()?, reader.byte()?);
    let (_user, _service, _method, _signed) = (reader.string()?, reader.string()?, reader.string()?, reader.byte()?);
    reader.string()
}

/// The flags of the request. Without flags, an agent signs with SHA-1 for RSA keys.
fn flags_of(algorithm: &[u8]) -> u32 {
    if algorithm.starts_with(b"rsa-sha2-512") {
        RSA_SHA2_512
    } else if algorithm.starts_with(b"rsa-sha2-256") {
        RSA_SHA2_256
    } else {
        0
    }
}

/// Converts the signature of a security key. The agent appends flags and counter to it; libssh2 sends only the
/// signature, and without its length. So both are passed as one string.
fn of_security_key(answer: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(answer);
    let kind = reader.byte()?;
    let mut blob = Reader(reader.string()?);
    let (method, signature) = (blob.string()?, blob.string()?);
    let (mut whole, mut wrapped, mut out) = (Vec::new(), Vec::new(), vec![kind]);
    put_string(&mut whole, signature);
    whole.extend_from_slice(blob.0);
    put_string(&mut wrapped, method);
    put_string(&mut wrapped, &whole);
    put_string(&mut out, &wrapped);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_a_security_key_keeps_its_counter() {
        let (method, counter) = (&b"sk-ssh-ed25519@openssh.com"[..], [1, 0, 0, 0, 9]);
        let (mut blob, mut answer) = (Vec::new(), vec![14]);
        put_string(&mut blob, method);
        put_string(&mut blob, b"signature");
        blob.extend_from_slice(&counter);
        put_string(&mut answer, &blob);
        let given = of_security_key(&answer).expect("an answer");
        let mut reader = Reader(&given);
        assert_eq!(reader.byte(), Some(14));
        let mut reader = Reader(reader.string().expect("a blob"));
        assert_eq!(reader.string(), Some(method));
        // What libssh2 sends after the method.
        let sent = reader.string().expect("what is sent");
        assert_eq!(sent, &blob[4 + method.len()..]);
        assert_eq!(of_security_key(&answer[..8]), None);
    }

    #[test]
    fn rsa_signs_with_what_was_offered() {
        let mut data = Vec::new();
        put_string(&mut data, b"session");
        data.push(50);
        for word in ["ada", "ssh-connection", "publickey"] {
            put_string(&mut data, word.as_bytes());
        }
        data.push(1);
        put_string(&mut data, b"rsa-sha2-512-cert-v01@openssh.com");
        assert_eq!(flags_of(algorithm(&data).expect("an algorithm")), RSA_SHA2_512);
        assert_eq!((flags_of(b"rsa-sha2-256"), flags_of(b"ssh-rsa"), algorithm(&data[..9])), (RSA_SHA2_256, 0, None));
    }
}
