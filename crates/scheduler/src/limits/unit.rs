//! One unit of a resource.

use std::fmt;

/// One unit of a resource of a machine, such as the graphics card `1`. The order is that in which units are taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The machine that has it.
    pub pool: String,
    /// The resource.
    pub resource: String,
    /// Name of the unit.
    pub name: String,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, resource, name } = self;
        write!(f, "unit `{name}` of `{resource}` of `{pool}`")
    }
}
