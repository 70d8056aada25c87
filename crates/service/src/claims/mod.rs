//! Units of resources that this process holds against other machines, through claims in a database on a server.

mod held_units;
mod keeper;
mod keeper_state;
mod lifetime;
mod renewal;

pub use keeper::{ClaimError, ClaimKeeper};
pub use keeper_state::{KeeperOwner, YieldUnits};
pub use lifetime::claim_lifetime;
