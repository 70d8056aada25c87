//! The servers that a request may go to: the model's servers in their order, or the one that the caller pinned.

use mer_core::{ConnType, LOCAL_SERVER, Model, Server, nearest};

use crate::{SchedulerError, placement::Placement};

/// Returns the servers of a model in their registered order. `pinned` leaves only that one.
pub(crate) fn replicas(
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
