//! Batches with real processes, in this process and in a resident.

mod here;
mod resident;
mod support;
