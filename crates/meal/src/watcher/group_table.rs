//! The groups that the watcher was told of.

use std::{collections::BTreeMap, time::Duration};

/// The grace period of a model that was found by its environment only.
const UNLISTED_GRACE: Duration = Duration::from_secs(5);

/// The groups that are to be ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GroupTable {
    /// Grace period by group.
    pub(super) groups: BTreeMap<i32, Duration>,
    /// Group by the number of its model.
    pub(super) numbers: BTreeMap<u64, i32>,
    /// Numbers of the processes whose descriptors are to be closed.
    pub(super) freed: Vec<u64>,
    pub(super) nonce: Option<String>,
    /// The greatest number of a model that was told.
    pub(super) highest_number: u64,
    pub(super) bye: bool,
}

impl GroupTable {
    /// Reads the whole lines of `input`, and removes them from it.
    pub(super) fn read(&mut self, input: &mut Vec<u8>) {
        let Some(end) = input.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = input.split_off(end + 1);
        for line in String::from_utf8_lossy(input).lines() {
            self.line(line);
        }
        *input = rest;
    }

    fn line(&mut self, line: &str) {
        if let Some(nonce) = line.strip_prefix("nonce ") {
            self.nonce = Some(nonce.to_owned());
        } else if let Some((group, grace)) = line.strip_prefix('+').and_then(|rest| rest.split_once(' ')) {
            let (grace, number) = grace.split_once(' ').unwrap_or((grace, "0"));
            // Numbers below 2 would signal every process, or init.
            if let (Ok(group @ 2..), Ok(grace)) = (group.parse(), grace.parse()) {
                self.groups.insert(group, Duration::from_millis(grace));
                let number = number.parse().unwrap_or(0);
                self.numbers.insert(number, group);
                self.highest_number = self.highest_number.max(number);
            }
        } else if let Some(Ok(number)) = line.strip_prefix("told ").map(str::parse) {
            self.highest_number = self.highest_number.max(number);
        } else if let Some(Ok(group)) = line.strip_prefix('-').map(str::parse) {
            self.groups.remove(&group);
            self.numbers.retain(|_, of| *of != group);
        } else if let Some(Ok(number)) = line.strip_prefix("free ").map(str::parse) {
            self.freed.push(number);
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

    fn read(text: &str) -> GroupTable {
        let mut table = GroupTable::default();
        let mut input = text.as_bytes().to_vec();
        table.read(&mut input);
        assert!(input.is_empty(), "whole lines are taken");
        table
    }

    #[test]
    fn lines_make_the_table_and_nonsense_is_ignored() {
        let table = read("nonce n-1\n+12 5000\n+13 0\n-12\n+1 9\n+0 9\n+-4 9\n+x y\n\nbye\n");
        assert_eq!(table.groups, [(13, Duration::ZERO)].into());
        assert_eq!(table.nonce.as_deref(), Some("n-1"));
        assert!(table.bye);
        assert_eq!(read("told 7\n+12 5000 9\n+13 1 8\n+0 1 99\n").highest_number, 9);
        assert!(!read("nonce n\n+12 5000\n").bye);
        let table = read("+12 5000 1\n+13 5000 2\n-12\nfree 1\n");
        assert_eq!((table.numbers, table.freed), ([(2, 13)].into(), vec![1]));
    }

    #[test]
    fn a_line_that_is_cut_waits_for_its_rest() {
        let (mut table, mut input) = (GroupTable::default(), b"+12 5000 1\n+13 50".to_vec());
        table.read(&mut input);
        assert_eq!((table.groups.len(), input.as_slice()), (1, &b"+13 50"[..]));
        input.extend_from_slice(b"00 2\n");
        table.read(&mut input);
        assert_eq!(table.groups.get(&13), Some(&Duration::from_millis(5000)));
    }
}
