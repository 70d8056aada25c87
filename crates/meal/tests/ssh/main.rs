//! MEAL over SSH against a real OpenSSH `sshd`, and against a server that misbehaves.

#[path = "../common/mod.rs"]
mod common;

mod agents;
mod dropped;
mod ends;
mod exit_status;
mod faults;
mod keys;
mod limits;
mod methods;
mod runs;
mod shells;
mod support;
mod ways;
