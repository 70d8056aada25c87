//! Kept processes: their life, their places, the requests that wait for them, and what happens after failures.

mod attempts;
mod failures;
mod life;
mod places;
mod stops;
mod support;
