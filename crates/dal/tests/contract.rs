//! The Store contract, on each backend.

mod common;

mer_testkit::store_contract!(memory, crate::common::memory);
mer_testkit::store_contract!(surrealkv, crate::common::migrated);
