//! What a process takes of what its server has.

use std::{collections::BTreeMap, fmt};

use mer_core::{LOCAL_SERVER, ResourceAmount, SLOTS};

use super::config::LimitsConfig;
use crate::placement::Placement;

/// Units of one resource that a process needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) resource: String,
    /// The names of the units that the machine has, at least `count`.
    pub(crate) units: Vec<String>,
    pub(crate) count: usize,
}

/// The units that a process needs of one machine: resources in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) pool: String,
    pub(crate) needs: Vec<Need>,
}

/// A server can never give a process what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unmet;

impl Demand {
    /// Returns what a process needs on a server; none if nothing is limited there.
    ///
    /// # Errors
    /// The server does not have as much.
    pub(crate) fn of(placement: &Placement, config: &LimitsConfig) -> Result<Option<Self>, Unmet> {
        let resources = resources(placement, config);
        let needs = &placement.params.needs;
        if needs.is_empty() && !resources.contains_key(SLOTS) {
            return Ok(None);
        }
        let default = BTreeMap::from([(SLOTS.to_owned(), 1)]);
        let needs = if needs.is_empty() { &default } else { needs };
        let mut limited = Vec::new();
        for (resource, count) in needs.iter().filter(|(_, count)| **count > 0) {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            match resources.get(resource) {
                Some(amount) if amount.units().len() >= count => {
                    limited.push(Need { resource: resource.clone(), units: amount.units(), count });
                }
                None if resource == SLOTS => {}
                _ => return Err(Unmet),
            }
        }
        let demand = Self { pool: pool(placement, config), needs: limited };
        Ok((!demand.needs.is_empty()).then_some(demand))
    }

    /// Returns whether two demands are on units of the same kind.
    pub(crate) fn competes_with(&self, other: &Self) -> bool {
        self.pool == other.pool
            && self.needs.iter().any(|need| other.needs.iter().any(|theirs| theirs.resource == need.resource))
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Need { resource, count, .. }) in self.needs.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " and " })?;
            match count {
                1 => write!(f, "a free `{resource}`")?,
                _ => write!(f, "{count} free `{resource}`")?,
            }
        }
        Ok(())
    }
}

/// Returns what a server has. What this machine has stands in its settings.
fn resources<'a>(placement: &'a Placement, config: &'a LimitsConfig) -> &'a BTreeMap<String, ResourceAmount> {
    if placement.server == LOCAL_SERVER { &config.resources } else { &placement.conn.resources }
}

/// Returns the machine that a server is.
fn pool(placement: &Placement, config: &LimitsConfig) -> String {
    let named = if placement.server == LOCAL_SERVER { &config.pool } else { &placement.conn.pool };
    match named {
        Some(pool) => pool.clone(),
        None if placement.is_here() => format!("{}@{}", placement.server, config.host),
        None => placement.server.clone(),
    }
}

#[cfg(test)]
mod tests {
    use mer_core::{ConnParams, ConnType, ModelParams};

    use super::*;

    fn placement(server: &str, resources: &str, needs: &str) -> Placement {
        let conn = ConnParams { resources: serde_json::from_str(resources).expect("JSON"), ..ConnParams::default() };
        let params = ModelParams { needs: serde_json::from_str(needs).expect("JSON"), ..ModelParams::default() };
        let conn_type = if server == LOCAL_SERVER { ConnType::Local } else { ConnType::Ssh };
        Placement { server: server.to_owned(), conn_type, conn, params }
    }

    fn of(resources: &str, needs: &str) -> Result<Option<String>, Unmet> {
        let demand = Demand::of(&placement("gpu1", resources, needs), &LimitsConfig::default())?;
        Ok(demand.map(|demand| format!("{demand} of {}", demand.pool)))
    }

    #[test]
    fn slots_are_unlimited_and_others_there_are_none_of_unless_they_are_named() {
        let text = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(of("{}", "{}"), Ok(None));
        assert_eq!(of(r#"{"gpu":2}"#, "{}"), Ok(None));
        assert_eq!(of(r#"{"slots":2}"#, "{}"), text("a free `slots` of gpu1"));
        assert_eq!(of(r#"{"slots":2}"#, r#"{"slots":2}"#), text("2 free `slots` of gpu1"));
        assert_eq!(of(r#"{"slots":2}"#, r#"{"slots":3}"#), Err(Unmet));
        assert_eq!(of("{}", r#"{"slots":3}"#), Ok(None));
        assert_eq!(of("{}", r#"{"gpu":1}"#), Err(Unmet));
        assert_eq!(
            of(r#"{"gpu":["a"],"ram":8}"#, r#"{"gpu":1,"ram":4}"#),
            text("a free `gpu` and 4 free `ram` of gpu1")
        );
        // What it needs replaces the default.
        assert_eq!(of(r#"{"gpu":["a"],"slots":1}"#, r#"{"gpu":1}"#), text("a free `gpu` of gpu1"));
    }

    #[test]
    fn this_machine_has_what_its_settings_say_and_may_be_a_server_of_others() {
        let gpus = BTreeMap::from([("gpu".to_owned(), ResourceAmount::Count(1))]);
        let config = LimitsConfig { host: "box".to_owned(), resources: gpus, ..LimitsConfig::default() };
        let here = placement(LOCAL_SERVER, r#"{"gpu":9}"#, r#"{"gpu":1}"#);
        let demand = |config: &LimitsConfig| Demand::of(&here, config).expect("met").expect("limited");
        assert_eq!((demand(&config).pool.as_str(), demand(&config).needs[0].units.len()), ("local@box", 1));
        let pooled = LimitsConfig { pool: Some("gpu1".to_owned()), ..config };
        let there =
            Demand::of(&placement("gpu1", r#"{"gpu":1}"#, r#"{"gpu":1}"#), &pooled).expect("met").expect("some");
        assert_eq!(demand(&pooled), there);
    }
}
