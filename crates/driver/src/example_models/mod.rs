//! The example models that are built into the binary: `mer example-model NAME [ARGS…]`.
//!
//! They are models like any other: programs that read standard input and write standard output. Being built in, they
//! also run on machines without an interpreter and without a shell. They use the standard library only and touch neither
//! settings nor database, so that they start at once.

mod echo;
mod failure;
mod iris;
mod npy;
mod run;

pub(crate) use run::run;
