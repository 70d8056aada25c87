//! End-to-end tests: the built binary in a temporary environment.
//!
//! Each module tests one concern. `support` has the helpers of all of them, `models.toml` the models that they run.
//! `CARGO_BIN_EXE_mer` names another binary to test.

mod support;

mod apply;
mod batch;
mod batch_chaos;
mod beside_parallel;
mod changes;
mod command_line;
mod crash;
mod damaged;
mod delivery;
mod detached;
mod disk;
mod doctor;
mod documents;
mod exit_codes;
mod first_run;
mod formats;
mod import_values;
mod input;
mod journal;
mod journal_copies;
mod journal_refused;
mod json;
mod launcher;
mod limits;
mod limits_chaos;
mod locked;
mod log;
mod log_reading;
mod lost;
mod many;
mod messages;
mod migrate;
mod migrate_ends;
mod migrate_leaks;
mod migrate_servers;
mod model_environment;
mod output;
mod postgres_admin;
mod processes;
mod registry;
mod resident;
mod resources;
mod schema;
mod server_away;
mod settings;
mod signals;
mod slurm;
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
