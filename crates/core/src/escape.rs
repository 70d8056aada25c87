//! Escapes characters that would move a terminal's cursor, change the direction of text, or be invisible.

use std::fmt::Write as _;

/// Whether a character is invisible or changes the text around it: control characters, direction marks, characters without a
/// width, and tags.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    if c < '\u{ad}' {
        return matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}');
    }
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the text with every invisible character ([`is_invisible`]) escaped.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a `String` does not fail.
        let _ = match c {
            '\n' => safe.write_str("\\n"),
            '\r' => safe.write_str("\\r"),
            '\t' => safe.write_str("\\t"),
            c if c.is_ascii() && is_invisible(c) => write!(safe, "\\x{:02x}", u32::from(c)),
            c if is_invisible(c) => write!(safe, "\\u{{{:x}}}", u32::from(c)),
            c => safe.write_char(c),
        };
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(escaped("a\tb\u{7}\u{9b}\u{202e}ü"), "a\\tb\\x07\\u{9b}\\u{202e}ü");
        assert_eq!(escaped("日本 🦀 é"), "日本 🦀 é");
        let every = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
        for c in every.filter(|c| c.is_control()) {
            assert!(is_invisible(c), "{:x}", u32::from(c));
        }
        for c in ('\u{200b}'..='\u{200f}').chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert!(is_invisible(c), "{:x}", u32::from(c));
        }
        for c in ['\u{feff}', '\u{61c}', '\u{2028}', '\u{ad}', '\u{e0041}'] {
            let text = escaped(&format!("a{c}b"));
            assert_eq!(text, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }
}
