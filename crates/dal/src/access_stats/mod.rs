//! Statistics of the log: counts and quantiles by group.

mod fold;
mod quantiles;
mod reader;
mod row;

pub use quantiles::Quantiles;
pub use reader::StatsReader;
pub use row::{StatsBy, StatsKey, StatsRow};
