//! A session of the administrator that stays open.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout},
};

/// A session of the administrator.
#[derive(Debug)]
pub struct Console {
    pub(super) child: Child,
    pub(super) input: ChildStdin,
    pub(super) output: BufReader<ChildStdout>,
}

impl Console {
    /// Runs SQL, and waits for its end. Returns what it printed.
    pub fn run(&mut self, sql: &str) -> String {
        const DONE: &str = "--done--";
        writeln!(self.input, "{sql}\n\\echo {DONE}").expect("`psql` reads");
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("`psql` writes");
            assert!(read > 0, "`psql` ended: {sql}");
            if line.trim_end() == DONE {
                return printed;
            }
            printed += &line;
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
