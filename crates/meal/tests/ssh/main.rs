//! The SSH executor with a real OpenSSH `sshd`, and with a misbehaving server.

#[path = "../common/mod.rs"]
mod common;

mod agents;
mod dropped;
mod ends;
mod exit_status;
mod faults;
mod guard_folder;
mod keys;
mod limits;
mod methods;
mod routes;
mod runs;
mod shells;
mod support;
