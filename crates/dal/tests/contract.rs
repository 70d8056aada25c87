//! The Store contract, on each backend.

mod common;

#[cfg(feature = "embedded")]
mer_testkit::store_contract!(memory, crate::common::memory);
#[cfg(feature = "embedded")]
mer_testkit::store_contract!(surrealkv, crate::common::migrated);
#[cfg(feature = "postgres")]
mer_testkit::store_contract!(postgres, if crate::common::postgres);
#[cfg(feature = "surreal-server")]
mer_testkit::store_contract!(surreal_server, if crate::common::surreal_server);
