//! One server that a model may run on.

use mer_core::{ConnParams, ConnType, ModelParams};

/// A server that a model may run on, with the parameters that apply there.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Name of the server.
    pub server: String,
    /// How the server is reached.
    pub conn_type: ConnType,
    /// Parameters of the server, including its argv prefix.
    pub conn: ConnParams,
    /// Parameters of the model on this server.
    pub params: ModelParams,
}

/// Where a process runs, as far as it matters when its end is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessLocation {
    /// On this machine.
    Local,
    /// On another machine, or on a cluster.
    Remote,
    /// Anywhere, and it goes on serving requests.
    Serving,
}

/// The words in front of a model's command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Launchers {
    /// The launcher whose processes are elsewhere; empty without one.
    pub(crate) remote: Vec<String>,
    /// Words that are part of the command, on the machine where that runs.
    pub(crate) beside: Vec<String>,
}

impl Placement {
    /// Whether its processes are started from this machine, with the caller's environment.
    pub(crate) fn starts_here(&self) -> bool {
        self.conn_type.starts_here(&self.conn) && !self.is_behind_launcher()
    }

    /// Whether its processes are on this machine.
    pub(crate) fn is_here(&self) -> bool {
        self.conn_type == ConnType::Local && !self.is_behind_launcher()
    }

    /// Whether its processes are where a launcher starts them (`launcherRemote`).
    pub(crate) fn is_behind_launcher(&self) -> bool {
        self.has_remote_model_launcher() || self.has_remote_server_launcher()
    }

    fn has_remote_model_launcher(&self) -> bool {
        self.params.launcher_remote == Some(true)
            && self.params.launcher.as_ref().is_some_and(|words| !words.is_empty())
    }

    fn has_remote_server_launcher(&self) -> bool {
        self.conn.launcher_remote == Some(true) && self.conn.launcher.as_ref().is_some_and(|words| !words.is_empty())
    }

    /// Returns the launchers, that of the server first. What stands in front of a remote one is called with it.
    pub(crate) fn launchers(&self) -> Launchers {
        let mut server = self.conn.launcher.clone().unwrap_or_default();
        let model = self.params.launcher.clone().unwrap_or_default();
        if self.has_remote_model_launcher() {
            server.extend(model);
            return Launchers { remote: server, beside: Vec::new() };
        }
        if self.has_remote_server_launcher() {
            return Launchers { remote: server, beside: model };
        }
        server.extend(model);
        Launchers { remote: Vec::new(), beside: server }
    }

    /// Returns where a process of this placement runs.
    pub(crate) fn location(&self) -> ProcessLocation {
        if self.is_here() { ProcessLocation::Local } else { ProcessLocation::Remote }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front_of_a_remote_launcher_is_called_with_it() {
        let launchers = |conn: &str, params: &str| {
            let conn = serde_json::from_str(conn).expect("a server");
            let params = serde_json::from_str(params).expect("a model");
            let placement = Placement { server: "pod".to_owned(), conn_type: ConnType::Local, conn, params };
            let Launchers { remote, beside } = placement.launchers();
            (remote.join(" "), beside.join(" "), placement.is_here())
        };
        let of = |remote: &str, beside: &str| (remote.to_owned(), beside.to_owned(), remote.is_empty());
        let remote = r#"{"launcher":["k"],"launcherRemote":true}"#;
        let plain = r#"{"launcher":["n"]}"#;
        assert_eq!(launchers("{}", "{}"), of("", ""));
        assert_eq!(launchers(plain, plain), of("", "n n"));
        assert_eq!(launchers(remote, plain), of("k", "n"));
        assert_eq!(launchers(plain, remote), of("n k", ""));
        assert_eq!(launchers(remote, remote), of("k k", ""));
        assert_eq!(launchers("{}", r#"{"launcher":[],"launcherRemote":true}"#), of("", ""));
    }
}
