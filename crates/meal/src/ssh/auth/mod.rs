//! Logging in: keys, certificates, the agent, and passwords.

mod agent_client;
mod agent_relay;
mod key_file;
mod key_order;
mod login;
mod offer_keys;
mod password;
mod public_key;
mod relay_server;
mod wire_format;

#[cfg(test)]
mod tests;

pub(super) use login::{LoginFailure, authenticate};
