//! The `mer` command: settings, grammar, commands, REPL, output, exit codes.
//!
//! This is the only crate that reads the environment, the settings or the terminal. Output is written by `ui`, and that of
//! models by `io`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod app;
mod cli;
mod clock;
mod commands;
mod config;
mod engine;
mod errors;
mod example_models;
mod io;
mod logging;
mod panic_hook;
mod repl;
mod service_manager;
mod shell;
mod signal;
mod stack;
mod start;
mod ui;
mod variables;

pub use start::main_impl;
