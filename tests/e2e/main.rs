//! End-to-end tests: the built binary in an environment of its own.

mod env;

mod command_line;
mod settings;
