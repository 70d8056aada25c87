//! End-to-end tests: the built binary in an environment of its own.
//!
//! One module a concern. `support` has what all of them stand on, `models.toml` the models that they run. Another binary
//! than the one built with them is tested by naming it in `CARGO_BIN_EXE_mer`.

mod support;

mod apply;
mod changes;
mod command_line;
mod crash;
mod damaged;
mod delivery;
mod disk;
mod doctor;
mod documents;
mod exit_codes;
mod first_run;
mod import_values;
mod input;
mod journal;
mod journal_places;
mod journal_refused;
mod json;
mod limits;
mod locked;
mod log_reading;
mod lost;
mod many;
mod migrate;
mod migrate_ends;
mod migrate_leaks;
mod migrate_servers;
mod model_environment;
mod output;
mod postgres_admin;
mod processes;
mod registry;
mod schema;
mod server_away;
mod settings;
mod signals;
mod snapshots;
mod ssh;
mod start_stop;
mod stopped;
mod strays;
mod streaming;
mod train;
mod train_kills;
mod transfer;
mod trust;
mod waits;
mod warm;
mod weights;
mod weights_kills;
mod words;
