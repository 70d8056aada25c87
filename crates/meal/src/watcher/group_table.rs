//! The groups that the watcher was told of.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
    time::Duration,
};

/// The grace period of a model that was found by its environment only.
const UNLISTED_GRACE: Duration = Duration::from_secs(5);

/// The groups that are to be ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GroupTable {
    /// Grace period by group.
    pub(super) groups: BTreeMap<i32, Duration>,
    pub(super) nonce: Option<String>,
    /// The greatest number of a model that was told.
    pub(super) highest_number: u64,
    pub(super) bye: bool,
}

impl GroupTable {
    /// Reads to the end of the input. An error counts as the end.
    pub(super) fn read(input: impl BufRead) -> Self {
        let mut table = Self::default();
        for line in input.lines().map_while(io::Result::ok) {
            table.line(&line);
        }
        table
    }

    fn line(&mut self, line: &str) {
        if let Some(nonce) = line.strip_prefix("nonce ") {
            self.nonce = Some(nonce.to_owned());
        } else if let Some((group, grace)) = line.strip_prefix('+').and_then(|rest| rest.split_once(' ')) {
            let (grace, number) = grace.split_once(' ').unwrap_or((grace, "0"));
            // Numbers below 2 would signal every process, or init.
            if let (Ok(group @ 2..), Ok(grace)) = (group.parse(), grace.parse()) {
                self.groups.insert(group, Duration::from_millis(grace));
                self.highest_number = self.highest_number.max(number.parse().unwrap_or(0));
            }
        } else if let Some(Ok(number)) = line.strip_prefix("told ").map(str::parse) {
            self.highest_number = self.highest_number.max(number);
        } else if let Some(Ok(group)) = line.strip_prefix('-').map(str::parse) {
            self.groups.remove(&group);
        } else if line == "bye" {
            self.bye = true;
        }
    }

    /// The longest grace period of all groups.
    pub(super) fn unlisted_grace(&self) -> Duration {
        self.groups.values().copied().max().unwrap_or(UNLISTED_GRACE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::GroupTable;

    #[test]
    fn lines_make_the_table_and_nonsense_is_ignored() {
        let table = GroupTable::read(&b"nonce n-1\n+12 5000\n+13 0\n-12\n+1 9\n+0 9\n+-4 9\n+x y\n\nbye\n"[..]);
        assert_eq!(table.groups, [(13, Duration::ZERO)].into());
        assert_eq!(table.nonce.as_deref(), Some("n-1"));
        assert!(table.bye);
        assert_eq!(GroupTable::read(&b"told 7\n+12 5000 9\n+13 1 8\n+0 1 99\n"[..]).highest_number, 9);
        assert!(!GroupTable::read(&b"nonce n\n+12 5000\n"[..]).bye);
    }
}
