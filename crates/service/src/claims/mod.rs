//! Units of resources that this process holds against other machines, through claims in a database on a server.

mod held_units;
mod keeper;
mod lifetime;
mod renewal;

pub use keeper::{ClaimError, ClaimKeeper, KeeperOwner, YieldUnits};
pub use lifetime::claim_lifetime;
