//! Data access: the Store over its drivers, the lease on the embedded engine, the access journal.
