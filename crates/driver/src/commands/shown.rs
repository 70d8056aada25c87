//! What servers and models have in common when they are shown.

use jiff::Timestamp;
use mer_core::Registry;

use crate::registry_file;

/// Stands for a secret. Who hands a specification to be shown has put it there already, in JSON too.
pub(super) const REDACTED: &str = "(redacted)";

/// Name, uid, times, and the tables that it would be in a registry file: what is copied from here, `mer apply` reads.
pub(super) fn registered(
    name: &str,
    uid: &str,
    created_at: Timestamp,
    last_updated: Timestamp,
    itself: &Registry,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("name", name.to_owned()),
        ("uid", uid.to_owned()),
        ("created", format!("{created_at:.6}")),
        ("updated", format!("{last_updated:.6}")),
    ];
    if let Ok(tables) = registry_file::write(itself) {
        fields.push(("registered as", tables));
    }
    fields
}
