//! `mer batch`: a file of inputs, every answer once, in spite of bad inputs, bad models, bad servers and signals.

mod ends;
mod faces;
mod formats;
mod identities;
mod inputs;
mod ledgers;
mod models;
mod resuming;
mod servers;
mod support;
