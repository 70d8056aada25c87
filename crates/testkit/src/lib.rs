//! Test only: contract suites, real servers in temporary folders, fake models.
//!
//! Everything here panics with a plain message instead of returning errors, because a test could only panic with
//! them.

mod certificate;
pub mod dropbear;
#[cfg(feature = "faulty-ssh")]
pub mod faulty_ssh;
mod image;
pub mod network;
pub mod postgres;
pub mod processes;
pub mod require;
mod sample;
pub mod slurm;
pub mod ssh_agent;
pub mod sshd;
#[cfg(feature = "store")]
pub mod store_contract;
pub mod surreal_server;

pub use image::image;
pub use sample::{ended, noise, started};
