//! Where a run happens: the model's servers in their order, or the one that the caller pins.

use mer_core::{ConnParams, ConnType, LOCAL_SERVER, Model, ModelParams, Server, nearest};

use crate::SchedulerError;

/// One server that a model may run on, with the parameters that hold there.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The server's name.
    pub server: String,
    /// How it is reached.
    pub conn_type: ConnType,
    /// The server's own parameters, its argv prefix among them.
    pub conn: ConnParams,
    /// The model's parameters there.
    pub params: ModelParams,
}

/// The servers to try, in order. `pinned` leaves just that one.
pub(crate) fn placements(
    model: &Model,
    servers: &[Server],
    pinned: Option<&str>,
) -> Result<Vec<Placement>, SchedulerError> {
    let names = model.spec.servers();
    let chosen: Vec<&str> = match pinned {
        None => names,
        Some(pin) if names.contains(&pin) => vec![pin],
        Some(pin) => {
            let near = nearest(pin, names.iter().copied()).into_iter().map(str::to_owned).collect();
            return Err(SchedulerError::NotOnServer {
                model: model.name.clone(),
                server: pin.to_owned(),
                runs_on: names.into_iter().map(str::to_owned).collect(),
                near,
            });
        }
    };
    chosen
        .into_iter()
        .map(|name| {
            let server = servers.iter().find(|server| server.name == name);
            if server.is_none() && name != LOCAL_SERVER {
                return Err(SchedulerError::NoSuchServer { model: model.name.clone(), server: name.to_owned() });
            }
            Ok(Placement {
                server: name.to_owned(),
                conn_type: server.map_or(ConnType::Local, |server| server.spec.conn_type),
                conn: server.map(|server| server.spec.params.clone()).unwrap_or_default(),
                params: model.spec.on_server(name),
            })
        })
        .collect()
}
