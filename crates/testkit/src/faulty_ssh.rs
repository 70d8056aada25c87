//! An SSH server that makes the mistakes that a test asks for, and that accepts passwords without an account behind them.
//!
//! Without a fault it is a plain server: it runs each command by `sh -c`, as the user that runs the test, with its own HOME,
//! streams both ways within the window, and reports exit codes and signals.

mod builder;
mod conduct;
mod handler;
mod run;
mod server;

pub use builder::Builder;
pub use server::FaultySsh;
