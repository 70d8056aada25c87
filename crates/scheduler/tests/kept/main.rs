//! Kept processes: their life, their places, the requests that wait for them, and what happens after failures.

mod attempts;
mod failures;
mod instances;
mod life;
mod parts;
mod resources;
mod shared_limits;
mod stops;
mod support;
