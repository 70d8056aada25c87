//! Memory in small pages while much is read and let go again.

use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};

/// While it lives, the kernel gives this process small pages only. The static binary's allocator asks for huge ones, of which
/// 2 MiB stay in memory for a few kilobytes that are in use; each opening of the embedded database leaves such pages behind.
///
/// A process that is started meanwhile has small pages for its whole life, so this is for commands that start none.
#[derive(Debug)]
pub(crate) struct SmallPages {
    /// Whether they were small before: then they stay so.
    before: bool,
}

impl SmallPages {
    /// From now on. Where the kernel does not know of it, nothing happens.
    pub(crate) fn only() -> Self {
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
