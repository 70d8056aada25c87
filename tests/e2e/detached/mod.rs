//! Runs that outlive their caller, through the whole program.

mod bad;
mod chaos;
mod commands;
mod far;
mod faults;
mod keeps;
mod laptop;
mod support;
