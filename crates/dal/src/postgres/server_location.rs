//! Location of the database as it was found when its uid was last read.

use super::connection_params::ConnectionParams;
use crate::location::{Location, host_and_port};

#[derive(Debug, Default)]
pub(super) struct ServerLocation {
    /// Address of the last connection.
    pub(super) address: Option<String>,
    pub(super) location: Option<Location>,
    /// Start of the server's process, in microseconds since 1970, and the system identifier of that server.
    pub(super) system: Option<(i64, String)>,
}

impl ServerLocation {
    /// Notes the address of a new connection.
    pub(super) fn connected(&mut self, params: &ConnectionParams) {
        let server = host_and_port(&params.host, params.port);
        self.address = Some(format!("postgres://{server}/{}", params.database));
    }
}
