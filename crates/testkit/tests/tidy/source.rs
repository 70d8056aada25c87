//! Rust source without what the rules do not look at: comments, the contents of strings, and code for tests.

/// What a part of a source file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Text,
}

/// Whether a file is compiled for tests only.
pub(crate) fn is_test(path: &str) -> bool {
    !path.contains("/src/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The code alone: comments and the contents of strings are blanks, line ends stay, so that line numbers are the same.
pub(crate) fn code(text: &str) -> String {
    only(text, Part::Code)
}

/// The comments alone, with their slashes.
pub(crate) fn comments(text: &str) -> String {
    only(text, Part::Comment)
}

/// The code that is shipped: `code` without items under `#[cfg(test)]`.
pub(crate) fn shipped(text: &str) -> String {
    let mut code = code(text);
    while let Some(begin) = code.find("#[cfg(test)]").or_else(|| code.find("#[cfg(all(test")) {
        let end = begin + item_length(&code[begin..]);
        let blanks: String = code[begin..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        code.replace_range(begin..end, &blanks);
    }
    code
}

/// The length in bytes of the item at the beginning of the code, with its attributes.
fn item_length(code: &str) -> usize {
    let after_attributes = {
        let mut rest = code;
        while rest.starts_with("#[") {
            rest = rest[balanced(&rest[1..], '[', ']') + 1..].trim_start();
        }
        code.len() - rest.len()
    };
    let item = &code[after_attributes..];
    let ends_at_brace = !item.trim_start_matches("pub").contains("use ") || item.find('{') < item.find("use ");
    let semicolon = item.find(';').map_or(item.len(), |at| at + 1);
    match item.find('{') {
        Some(brace) if brace < semicolon && ends_at_brace => {
            after_attributes + brace + balanced(&item[brace..], '{', '}')
        }
        _ => after_attributes + semicolon,
    }
}

/// The length up to the bracket that closes the one at the beginning.
fn balanced(code: &str, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code.char_indices() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + letter.len_utf8();
            }
        }
    }
    code.len()
}

fn only(text: &str, wanted: Part) -> String {
    let mut kept = String::with_capacity(text.len());
    for (piece, part) in parts(text) {
        kept.extend(piece.chars().map(|letter| if part == wanted || letter == '\n' { letter } else { ' ' }));
    }
    kept
}

/// The pieces of a source file in their order.
fn parts(text: &str) -> Vec<(&str, Part)> {
    let mut pieces = Vec::new();
    let (mut rest, mut code) = (text, 0);
    while let Some(letter) = rest[code..].chars().next() {
        let here = &rest[code..];
        let name_before = rest[..code].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = if here.starts_with("//") {
            Some((here.find('\n').unwrap_or(here.len()), Part::Comment))
        } else if here.starts_with("/*") {
            Some((block_comment(here), Part::Comment))
        } else if letter == '"' {
            Some((1 + here[1..].len().min(quoted(&here[1..])), Part::Text))
        } else if letter == 'r' && !name_before {
            raw_string(here).map(|length| (length, Part::Text))
        } else if letter == '\'' {
            character(here).map(|length| (length, Part::Text))
        } else {
            None
        };
        let Some((length, part)) = found else {
            code += letter.len_utf8();
            continue;
        };
        pieces.push((&rest[..code], Part::Code));
        pieces.push((&rest[code..code + length], part));
        (rest, code) = (&rest[code + length..], 0);
    }
    pieces.push((rest, Part::Code));
    pieces
}

/// The length of a string after its opening quote, with the closing one.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let open = 1 + hashes;
    text[open..].starts_with('"').then(|| {
        let end = format!("\"{}", "#".repeat(hashes));
        text[open + 1..].find(&end).map_or(text.len(), |at| open + 1 + at + end.len())
    })
}

/// The length of a character literal; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut letters = text[1..].chars();
    match letters.next()? {
        '\\' => text[3..].find('\'').map(|at| at + 4),
        letter => (letters.next() == Some('\'')).then(|| letter.len_utf8() + 2),
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[test]
fn strings_comments_and_tests_are_told_apart_from_code() {
    let text = "let a = \"// no \\\" comment\"; // one 'x'\nlet b: &'static str = r#\"say \"so\" /*\"#; /* two */ let c = '\"';\n\
                #[cfg(test)]\nmod tests {\n    use super::a;\n}\n#[cfg(test)]\nuse crate::{b, c};\nfn shipped() {}\n";
    let shipped = shipped(text);
    assert_eq!(shipped.lines().count(), text.lines().count());
    for word in ["let a", "'static", "let c", "fn shipped"] {
        assert!(shipped.contains(word), "{word}: {shipped}");
    }
    for word in ["comment", "one", "say", "two", "super", "crate"] {
        assert!(!shipped.contains(word), "{word}: {shipped}");
    }
    let comments = comments(text);
    assert!(
        comments.contains("// one 'x'") && comments.contains("/* two */") && !comments.contains("no"),
        "{comments}"
    );
}
