//! Checks that servers have what models take, and that what they have is of use.

use std::collections::{BTreeMap, BTreeSet};

use mer_core::{LOCAL_SERVER, Model, ResourceAmount, SLOTS, Server};

use super::Finding;

type Amounts = BTreeMap<String, ResourceAmount>;

/// Checks the models and servers of a registry. `of_machine` are the resources of this machine, which `local` has, and `pool` is
/// its name.
pub(super) fn look(models: &[Model], servers: &[Server], of_machine: &Amounts, pool: Option<&str>) -> Vec<Finding> {
    let amounts = |server: &str| -> &Amounts {
        match servers.iter().find(|known| known.name == server) {
            Some(known) if server != LOCAL_SERVER => &known.spec.params.resources,
            _ => of_machine,
        }
    };
    let mut findings: Vec<Finding> = models.iter().filter_map(|model| unmet(model, amounts)).collect();
    let others = servers.iter().filter(|server| server.name != LOCAL_SERVER);
    let named = others.map(|server| {
        let params = &server.spec.params;
        (server.name.as_str(), &params.resources, params.pool.as_deref())
    });
    let all: Vec<_> = std::iter::once((LOCAL_SERVER, of_machine, pool)).chain(named).collect();
    findings.extend(unequal(&all));
    for (server, resources, _) in all {
        let unused =
            resources.keys().filter(|name| *name != SLOTS && !models.iter().any(|model| takes(model, server, name)));
        findings.extend(unused.map(|name| {
            let detail = format!("has `{name}`, and no model that runs there needs it");
            Finding::warning(format!("resources of {server}"), detail, format!("mer model set MODEL --needs {name}=1"))
        }));
    }
    findings
}

/// Returns the servers that are one machine, by their pool, and do not have the same there. Each is named beside the first one
/// of its pool.
fn unequal(servers: &[(&str, &Amounts, Option<&str>)]) -> Vec<Finding> {
    let units = |amounts: &Amounts| -> BTreeMap<String, BTreeSet<String>> {
        amounts.iter().map(|(name, amount)| (name.clone(), amount.units().into_iter().collect())).collect()
    };
    let mut firsts: BTreeMap<&str, (&str, &Amounts)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (server, amounts, pool) in servers {
        let Some(pool) = *pool else { continue };
        let (first, of_first) = *firsts.entry(pool).or_insert((server, amounts));
        if units(of_first) != units(amounts) {
            let detail = format!(
                "`{first}` and `{server}` are one machine, and have different resources: {} and {}",
                listed(of_first),
                listed(amounts)
            );
            let remedy = "give both the same `resources`, or another `pool`";
            findings.push(Finding::warning(format!("pool {pool}"), detail, remedy));
        }
    }
    findings
}

fn listed(amounts: &Amounts) -> String {
    let words: Vec<String> = amounts.iter().map(|(name, amount)| format!("`{name}={amount}`")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

/// Returns the finding of a model that can run on none of its servers, or not on all of them.
fn unmet<'a>(model: &Model, amounts: impl Fn(&str) -> &'a Amounts) -> Option<Finding> {
    let servers = model.spec.servers();
    let lacking: Vec<String> = servers.iter().filter_map(|server| lack(model, server, amounts(server))).collect();
    if lacking.is_empty() {
        return None;
    }
    let check = format!("needs of {}", model.name);
    let remedy = format!(
        "`mer server set SERVER --resource NAME=COUNT`, the setting `resources` for `local`, or `mer model set {} --needs …`",
        model.name
    );
    let detail = lacking.join("; ");
    Some(if lacking.len() == servers.len() {
        Finding::failed(check, detail, remedy)
    } else {
        Finding::warning(check, detail, remedy)
    })
}

/// Returns what a server can never give to a process of the model, as a sentence.
fn lack(model: &Model, server: &str, amounts: &Amounts) -> Option<String> {
    let needs = model.spec.on_server(server).needs;
    let lacks = needs.iter().filter_map(|(name, count)| match amounts.get(name) {
        None if name == SLOTS => None,
        None => Some(format!("{count} of `{name}`, and it has none")),
        Some(amount) if amount.count() < *count => Some(format!("{count} of `{name}`, and it has {}", amount.count())),
        Some(_) => None,
    });
    let lacks: Vec<String> = lacks.collect();
    (!lacks.is_empty()).then(|| format!("on `{server}` it needs {}", lacks.join(", ")))
}

fn takes(model: &Model, server: &str, resource: &str) -> bool {
    model.spec.servers().contains(&server) && model.spec.on_server(server).needs.contains_key(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(models: &[(&str, &str)], servers: &[(&str, &str)], of_machine: &str) -> Vec<String> {
        let row = |(name, keys): &(&str, &str)| {
            let text = format!(
                r#"{{"uid":"u","name":"{name}","createdAt":"2026-01-01T00:00:00Z","lastUpdated":"2026-01-01T00:00:00Z"{keys}}}"#
            );
            serde_json::from_str::<serde_json::Value>(&text).expect(&text)
        };
        let models: Vec<Model> = serde_json::from_value(models.iter().map(row).collect()).expect("models");
        let servers: Vec<Server> = serde_json::from_value(servers.iter().map(row).collect()).expect("servers");
        let of_machine = serde_json::from_str(of_machine).expect("resources");
        let findings = look(&models, &servers, &of_machine, Some("desk"));
        findings.into_iter().map(|one| format!("{:?} {}: {}", one.result, one.check, one.detail)).collect()
    }

    #[test]
    fn needs_that_no_server_meets_are_found() {
        let servers = [("a", r#","resources":{"gpu":["0","1"]}"#), ("b", "")];
        let of = |needs: &str, on: &str| format!(r#","needs":{needs},"servers":{on}"#);
        let found = |needs: &str, on: &str| found(&[("m", &of(needs, on))], &servers, "{}");
        assert_eq!(found(r#"{"gpu":2,"slots":9}"#, r#"["a"]"#), [""; 0]);
        assert_eq!(found(r#"{"gpu":3}"#, r#"["a"]"#), ["Failed needs of m: on `a` it needs 3 of `gpu`, and it has 2"]);
        let half = found(r#"{"gpu":1}"#, r#"["a","b"]"#);
        assert_eq!(half, ["Warning needs of m: on `b` it needs 1 of `gpu`, and it has none"]);
    }

    #[test]
    fn local_has_what_this_machine_has() {
        let models = [("m", r#","needs":{"gpu":1}"#)];
        assert_eq!(found(&models, &[], r#"{"gpu":1}"#), [""; 0]);
        assert_eq!(found(&models, &[], "{}").len(), 1);
        // A `local` in the registry has a launcher at most.
        assert_eq!(found(&models, &[("local", "")], r#"{"gpu":1,"slots":4}"#), [""; 0]);
    }

    #[test]
    fn resources_that_no_model_takes_are_found() {
        let servers = [("a", r#","resources":{"gpu":2,"slots":4}"#)];
        let one = found(&[("m", r#","servers":["a"]"#)], &servers, "{}");
        assert_eq!(one, ["Warning resources of a: has `gpu`, and no model that runs there needs it"]);
    }

    #[test]
    fn names_of_one_machine_that_differ_are_found() {
        let of = |pool: &str, gpu: &str| format!(r#","pool":"{pool}","resources":{{"gpu":{gpu}}}"#);
        let models = [("m", r#","servers":["a","b","local"],"needs":{"gpu":1}"#)];
        let found = |first: &str, second: &str| found(&models, &[("a", first), ("b", second)], r#"{"gpu":1}"#);
        // A count means the units `0`, `1` and so on.
        assert_eq!(found(&of("p", "2"), &of("p", r#"["1","0"]"#)), [""; 0]);
        assert_eq!(found(&of("p", "2"), &of("q", "1")), [""; 0]);
        let one = found(&of("p", "2"), &of("p", r#"["7"]"#));
        let detail = "`a` and `b` are one machine, and have different resources: `gpu=2` and `gpu=7,`";
        assert_eq!(one, [format!("Warning pool p: {detail}")]);
        assert_eq!(found(&of("desk", "1"), &of("desk", "2")).len(), 1, "this machine is one of them");
    }
}
