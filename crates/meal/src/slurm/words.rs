//! What Slurm says on stderr of `srun` beside the process.

use crate::stderr_relay::FrontWords;

/// With these words Slurm says on stderr that it ends a step or a job.
const CANCELLED: [&[u8]; 2] = [b"error: *** STEP ", b"error: *** JOB "];

/// The beginning of a line of `srun`, and what it says of the end of a process.
const BY_SRUN: &[u8] = b"srun: error: ";
const EXITS: [&[u8]; 3] = [b": task 0: Exited with exit code ", b": task 0: Terminated", b": task 0: Killed"];

/// The words of `srun`.
pub(super) const SRUN_WORDS: FrontWords = FrontWords { removed: without_exit_lines, ends: says_that_it_ends };

fn says_that_it_ends(bytes: &[u8]) -> bool {
    CANCELLED.iter().any(|words| bytes.windows(words.len()).any(|part| part == *words))
}

/// Removes the lines by which `srun` itself tells how the process ended. They may come before the last of the process's stderr.
/// `srun` writes each of them at once.
fn without_exit_lines(mut bytes: Vec<u8>) -> Vec<u8> {
    let find = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|part| part == text);
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], BY_SRUN).map(|at| from + at) {
        let length = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len() - at, |end| end + 1);
        let line = &bytes[at..at + length];
        if EXITS.iter().any(|text| find(line, text).is_some()) {
            bytes.drain(at..at + length);
            from = at;
        } else {
            from = at + BY_SRUN.len();
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::without_exit_lines;

    #[test]
    fn what_srun_says_of_the_end_is_not_the_models() {
        for (text, left) in [
            ("a warningsrun: error: n1: task 0: Exited with exit code 3\nmore\n", "a warningmore\n"),
            ("srun: error: n1: task 0: Killed\n", ""),
            ("srun: error: Node failure on n1\nx", "srun: error: Node failure on n1\nx"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_exit_lines(text.as_bytes().to_vec())), left);
        }
    }
}
