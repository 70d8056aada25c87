//! Sets keys that flags name.

/// Sets a key where a flag names it.
pub(super) fn put<T: Clone>(key: &mut Option<T>, flag: Option<&T>) {
    if flag.is_some() {
        *key = flag.cloned();
    }
}
