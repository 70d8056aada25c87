//! What the login shell over there gets to see: one line that means the same in every shell.
//!
//! fish, csh and the POSIX shells agree on single quotes as long as there is no quote, backslash, exclamation mark or
//! newline between them. So the line is always the same but for a nonce: it lets `sh` print the nonce and its process
//! group, then read one more line and do what that says. What an rc file prints comes before the nonce, and is noise. The
//! command, its arguments and its environment go over stdin in that second line: no shell but `sh` reads them, and they
//! are in no process list before the program itself runs.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// The line for the login shell.
pub(in crate::ssh) fn wrapper(nonce: &str) -> String {
    format!(
        "exec sh -c '{{ read -r mer_x mer_x mer_x mer_x mer_g mer_x </proc/$$/stat; }} 2>/dev/null || \
         mer_g=$(ps -o pgid= -p $$); echo \"{nonce}=$mer_g.\"; IFS= read -r mer_l && eval \"$mer_l\"'"
    )
}

/// Looks for nonce and group. Gives the group, and how many bytes of the text are read with it.
pub(in crate::ssh) fn greeting(text: &str, nonce: &str) -> Option<(i32, usize)> {
    for (at, _) in text.match_indices(nonce) {
        let rest = &text[at + nonce.len()..];
        let Some(end) = rest.find(".\n") else { continue };
        // A shell that shows the commands it runs shows the nonce too, but no number after it.
        if let Some(Ok(group @ 2..)) = rest[..end].strip_prefix('=').map(|group| group.trim().parse()) {
            return Some((group, at + nonce.len() + end + 2));
        }
    }
    None
}

/// Something that nobody over there prints by chance. The hasher's keys come from the kernel's random numbers.
pub(in crate::ssh) fn nonce() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("mer{:016x}{:016x}", word(), word())
}

#[cfg(test)]
mod tests {
    use super::{greeting, wrapper};

    #[test]
    fn every_shell_takes_the_line_as_it_is() {
        let line = wrapper("mer00");
        let inner = line.strip_prefix("exec sh -c '").and_then(|line| line.strip_suffix('\'')).expect("quoted");
        assert!(!inner.contains(['\'', '\\', '!', '\n']), "{inner}");
    }

    #[test]
    fn the_greeting_is_found_in_noise() {
        assert_eq!(greeting("mer00=42.\n", "mer00"), Some((42, 10)));
        assert_eq!(greeting("hello mer00=42.\nrest", "mer00"), Some((42, 16)));
        assert_eq!(greeting("+ echo mer00=$g.\nmer00=  7.\n", "mer00").map(|found| found.0), Some(7));
        for text in ["", "mer00=42", "mer00=42.", "mer00=1.\n", "mer00=.\n", "mer01=42.\n"] {
            assert_eq!(greeting(text, "mer00"), None, "{text}");
        }
    }
}
