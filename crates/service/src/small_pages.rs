//! Small memory pages while an operation reads much and frees it again.

use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};

/// Makes the kernel give this process small pages only, until it is dropped. The static binary's allocator asks for huge
/// pages, of which 2 MiB stay in memory for a few kilobytes that are in use; each opening of the embedded database leaves
/// such pages behind.
///
/// A process that is started meanwhile has small pages for its whole life: not for operations that start one.
#[derive(Debug)]
pub struct SmallPages {
    /// Whether huge pages were switched off before: then they stay so.
    before: bool,
}

impl SmallPages {
    /// Switches huge pages off. Does nothing where the kernel has no such switch.
    #[must_use]
    pub fn only() -> Self {
        let before = transparent_huge_pages_are_disabled().unwrap_or(true);
        if !before {
            let _ = disable_transparent_huge_pages(true);
        }
        Self { before }
    }
}

impl Drop for SmallPages {
    fn drop(&mut self) {
        if !self.before {
            let _ = disable_transparent_huge_pages(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_small_meanwhile_and_as_before_afterwards() {
        let before = transparent_huge_pages_are_disabled().expect("the kernel knows");
        let outer = SmallPages::only();
        assert!(transparent_huge_pages_are_disabled().expect("the kernel knows"));
        drop(SmallPages::only());
        assert!(transparent_huge_pages_are_disabled().expect("the kernel knows"), "the outer one lives");
        drop(outer);
        assert_eq!(transparent_huge_pages_are_disabled().expect("the kernel knows"), before);
    }
}
