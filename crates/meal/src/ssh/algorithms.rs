//! Selects the algorithms that the SSH configuration requests from those that libssh2 supports.

use ssh2::{MethodType, Session};

use super::{
    SshError,
    config::{Algorithms, matches_pattern},
    target::Hop,
};

/// The signature algorithms of RSA keys, in libssh2's order.
const RSA: [&str; 3] = ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"];

/// Applies a list of the configuration to the supported names: plain names select, `+` adds, `-` removes, `^` puts
/// first.
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
        // All supported names are offered anyway.
        Some('+') => return ours.to_vec(),
        Some('-') => return ours.iter().copied().filter(|name| !is_named(name)).collect(),
        Some(_) => {
            named.for_each(&mut add);
            ours.iter().copied().for_each(&mut add);
        }
    }
    found
}

/// The host key types to accept, from the preferred ones.
pub(super) fn host_keys(hop: &Hop, preference: &[&str]) -> Result<String, SshError> {
    let list = hop.algorithms.host_key.as_deref();
    none_left("HostKeyAlgorithms", list, preference, hop)?;
    Ok(chosen(list, preference).join(","))
}

/// The list of the configuration for a kind of algorithm.
pub(super) fn list_of(lists: &Algorithms, kind: MethodType) -> Option<&str> {
    match kind {
        MethodType::Kex => lists.kex.as_deref(),
        MethodType::HostKey => lists.host_key.as_deref(),
        MethodType::CryptCs | MethodType::CryptSc => lists.ciphers.as_deref(),
        MethodType::MacCs | MethodType::MacSc => lists.macs.as_deref(),
        _ => None,
    }
}

/// Sets the algorithms that the configuration requests for a host, except for the host key types.
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
    // A list without any RSA algorithm is about other keys.
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
