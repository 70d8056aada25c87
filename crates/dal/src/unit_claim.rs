//! Claims of units of resources, which machines that share a database hold against each other.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// Time after [`crate::Store::want_claims`] during which a unit counts as wanted.
pub const WANTED_TTL: Duration = Duration::from_secs(30);

/// One unit of a resource of a machine, such as the graphics card `1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimUnit {
    /// The machine that has it.
    pub pool: String,
    /// The resource.
    pub resource: String,
    /// The name of the unit.
    pub unit: String,
}

/// The `mer` process that holds a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimOwner {
    /// Distinguishes it from every other process.
    pub uid: Uuid,
    /// Its machine.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Its user.
    pub caller: String,
    /// The model that needs the unit.
    pub model: String,
}

/// A claim as the database has it. Times are those of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitClaim {
    /// The unit.
    pub unit: ClaimUnit,
    /// The process that holds it.
    pub owner: ClaimOwner,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Until when it holds, unless it is renewed.
    pub valid_until: Timestamp,
    /// Whether that time has passed by the server's clock.
    pub is_void: bool,
    /// The process that waits for the unit, if one does.
    pub wanted_by: Option<Uuid>,
}

/// Outcome of an attempt to take claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All of them were taken.
    All,
    /// None was taken: other processes hold these.
    Held(Vec<UnitClaim>),
}
