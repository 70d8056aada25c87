//! What a shell or a launcher printed instead of what was expected, as an error shows it.

use std::time::Duration;

use tokio::time::timeout;

use crate::Pipe;

/// Maximum number of bytes that are read before what is expected.
pub(crate) const MOST_NOISE: usize = 1024 * 1024;

/// Returns the rest of stderr, which is waited for that long.
pub(crate) async fn rest_of(stderr: &mut Pipe, wait: Duration) -> String {
    let mut errors = Vec::new();
    let read = async {
        while let Ok(Some(bytes)) = stderr.next().await {
            errors.extend_from_slice(&bytes);
            if errors.len() > MOST_NOISE {
                break;
            }
        }
    };
    let _ = timeout(wait, read).await;
    String::from_utf8_lossy(&errors).into_owned()
}

/// Returns the end of a text in one line, at most that many characters; none if it is blank.
pub(crate) fn in_one_line(text: &str, most: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines.join(" / ");
    let skipped = text.chars().count().saturating_sub(most);
    let mark = if skipped > 0 { "…" } else { "" };
    let text: String = text.chars().skip(skipped).collect();
    (!text.is_empty()).then(|| format!("`{mark}{}`", text.escape_debug()))
}
