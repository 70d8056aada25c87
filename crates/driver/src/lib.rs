//! The `mer` command: settings, grammar, commands, REPL, output, exit codes.
//!
//! This is the only crate that reads the environment, the settings or the terminal; the only module of it that writes
//! to a standard stream is `ui`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod app;
mod cli;
mod clock;
mod commands;
mod config;
mod errors;
mod example_models;
mod io;
mod logging;
mod panic_hook;
mod repl;
mod shell;
mod signal;
mod stack;
mod start;
mod ui;
mod variables;

pub use start::main_impl;
