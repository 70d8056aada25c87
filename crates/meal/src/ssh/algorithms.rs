//! The algorithms that the SSH configuration asks for, out of those that libssh2 has.

use ssh2::{MethodType, Session};

use super::{
    SshError,
    config::{Algorithms, matches_pattern},
    target::Hop,
};

/// With RSA keys, in libssh2's order.
const RSA: [&str; 3] = ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"];

/// What a list of the configuration makes of ours: names stand for themselves, `+` adds, `-` takes away, `^` puts first.
pub(super) fn chosen<'a>(list: Option<&str>, ours: &[&'a str]) -> Vec<&'a str> {
    let Some(list) = list else { return ours.to_vec() };
    let (change, names) = match list.chars().next() {
        Some(change @ ('+' | '-' | '^')) => (Some(change), &list[1..]),
        _ => (None, list),
    };
    let is_named = |name: &str| names.split(',').any(|pattern| matches_pattern(pattern.trim(), name));
    let named = names
        .split(',')
        .flat_map(|pattern| ours.iter().copied().filter(move |name| matches_pattern(pattern.trim(), name)));
    let mut found: Vec<&str> = Vec::new();
    let mut add = |name: &'a str| {
        if !found.contains(&name) {
            found.push(name);
        }
    };
    match change {
        None => named.for_each(&mut add),
        // What we have is offered anyway.
        Some('+') => return ours.to_vec(),
        Some('-') => return ours.iter().copied().filter(|name| !is_named(name)).collect(),
        Some(_) => {
            named.for_each(&mut add);
            ours.iter().copied().for_each(&mut add);
        }
    }
    found
}

/// The types of host key that are taken, of those that are preferred.
pub(super) fn host_keys(hop: &Hop, preference: &[&str]) -> Result<String, SshError> {
    let list = hop.algorithms.host_key.as_deref();
    none_left("HostKeyAlgorithms", list, preference, hop)?;
    Ok(chosen(list, preference).join(","))
}

/// What the configuration says about a kind of algorithm.
pub(super) fn list_of(lists: &Algorithms, kind: MethodType) -> Option<&str> {
    match kind {
        MethodType::Kex => lists.kex.as_deref(),
        MethodType::HostKey => lists.host_key.as_deref(),
        MethodType::CryptCs | MethodType::CryptSc => lists.ciphers.as_deref(),
        MethodType::MacCs | MethodType::MacSc => lists.macs.as_deref(),
        _ => None,
    }
}

/// Tells libssh2 what the configuration of a host asks for, beside the types of host key.
pub(super) fn prefer(session: &Session, hop: &Hop) -> Result<(), SshError> {
    let all = [
        ("Ciphers", [MethodType::CryptCs, MethodType::CryptSc].as_slice()),
        ("MACs", &[MethodType::MacCs, MethodType::MacSc]),
        ("KexAlgorithms", &[MethodType::Kex]),
    ];
    let failed = |error: ssh2::Error| SshError::Handshake { host: hop.label(), detail: error.message().to_owned() };
    for (key, kinds) in all {
        for kind in kinds.iter().copied() {
            let Some(list) = list_of(&hop.algorithms, kind) else { continue };
            let ours = session.supported_algs(kind).map_err(failed)?;
            none_left(key, Some(list), &ours, hop)?;
            session.method_pref(kind, &chosen(Some(list), &ours).join(",")).map_err(failed)?;
        }
    }
    // Where the list has no RSA at all, it is about other keys.
    let list = hop.algorithms.pubkey.as_deref();
    let rsa = chosen(list, &RSA);
    if list.is_some() && !rsa.is_empty() {
        session.method_pref(MethodType::SignAlgo, &rsa.join(",")).map_err(failed)?;
    }
    Ok(())
}

fn none_left(key: &str, list: Option<&str>, ours: &[&str], hop: &Hop) -> Result<(), SshError> {
    match list {
        Some(list) if chosen(Some(list), ours).is_empty() => Err(SshError::Handshake {
            host: hop.label(),
            detail: format!("`{key} {list}` of the SSH configuration leaves none of {}", ours.join(", ")),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn lists_add_take_away_and_put_first() {
        let ours = ["a1", "a2", "b"];
        for (list, expected) in [
            ("b,x,a1", vec!["b", "a1"]),
            ("a*", vec!["a1", "a2"]),
            ("+x", vec!["a1", "a2", "b"]),
            ("-a*", vec!["b"]),
            ("^b", vec!["b", "a1", "a2"]),
            ("x", vec![]),
        ] {
            assert_eq!(chosen(Some(list), &ours), expected, "{list}");
        }
        assert_eq!(chosen(None, &ours), ours);
    }
}
