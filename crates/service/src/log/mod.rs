//! The log of accesses: listing, looking up, and draining the journal into it.

mod drain;
mod lookup;
mod query;

pub use drain::drain;
pub use lookup::attempts;
pub use query::AccessReader;
