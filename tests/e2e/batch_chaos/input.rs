//! An input that is edited between two runs of a batch.

use std::fmt::Write as _;

/// The lines of an input.
pub(super) struct Input {
    pub(super) lines: Vec<String>,
    most: usize,
    next: usize,
    random: u64,
}

impl Input {
    /// Makes an input of this many lines. The seed decides how it is edited.
    pub(super) fn new(most: usize, seed: u64) -> Self {
        let mut input = Self { lines: Vec::new(), most, next: 0, random: seed | 1 };
        input.lines = (0..most).map(|_| input.new_line()).collect();
        input
    }

    /// Moves and removes blocks, and inserts others, until a quarter of the lines is new.
    pub(super) fn edit(&mut self) {
        let mut new = 0;
        while new * 4 < self.most {
            let moved = self.take();
            self.insert(moved);
            // Twins are equal to lines that are there, or were there.
            let twins = self.take();
            self.insert(twins.clone());
            self.insert(twins.into_iter().step_by(3).collect());
            let removed = self.take();
            new += removed.len();
            let block = removed.iter().map(|_| self.new_line()).collect();
            self.insert(block);
        }
        self.lines.truncate(self.most);
    }

    /// Returns the text of the file. Its last line has no newline.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Returns the results of all lines.
    pub(super) fn results(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}: {line}", line.len());
            text
        })
    }

    fn new_line(&mut self) -> String {
        self.next += 1;
        let length = self.below(40);
        format!("line {} {}", self.next, "x".repeat(length))
    }

    /// Takes a block out.
    fn take(&mut self) -> Vec<String> {
        let length = self.below(self.most / 10);
        let from = self.below(self.lines.len() - length);
        self.lines.drain(from..from + length).collect()
    }

    fn insert(&mut self, block: Vec<String>) {
        let at = self.below(self.lines.len() + 1);
        self.lines.splice(at..at, block);
    }

    /// Returns a random number below this one, by Marsaglia's xorshift.
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 16).unwrap_or_default() % bound.max(1)
    }
}
