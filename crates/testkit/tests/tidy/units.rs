//! The units for systemd agree with those of the NixOS module.

use std::collections::BTreeMap;

use crate::{assert_none, read};

/// The keys of a unit's section. A key that stands there several times has the last value.
fn section(text: &str, name: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut keys = BTreeMap::new();
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == format!("[{name}]");
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) {
            keys.insert(key.to_owned(), value.to_owned());
        }
    }
    keys
}

/// The properties that the module gives to every unit, as systemd writes them.
fn of_module(text: &str) -> BTreeMap<String, String> {
    let (_, hardened) = text.split_once("hardened = ").expect("the properties");
    let lines = hardened.lines().filter_map(|line| line.trim().strip_suffix(';')?.split_once(" = "));
    let value = |text: &str| match text {
        "true" => "yes".to_owned(),
        "false" => "no".to_owned(),
        list => list.replace(['[', ']', '"'], "").trim().to_owned(),
    };
    lines.map(|(key, text)| (key.to_owned(), value(text))).collect()
}

/// What differs between the module and a unit, except for the type of the service.
fn differences(module: &str, unit: &str) -> Vec<String> {
    let service = section(unit, "Service");
    let differs = |(key, value): &(String, String)| key != "Type" && service.get(key) != Some(value);
    let found = of_module(module).into_iter().filter(differs);
    found.map(|(key, value)| format!("{key} is {value:?} in the module, {:?} in the unit", service.get(&key))).collect()
}

#[test]
fn the_unit_is_hardened_as_the_module_does_it() {
    let (module, unit) = (read("nix/module/units.nix"), read("systemd/system/mer.service"));
    assert!(of_module(&module).len() > 20, "the properties were not found");
    assert_none(&differences(&module, &unit), "systemd/system/mer.service differs from nix/module/units.nix");
}

#[test]
fn both_residents_end_and_start_in_the_same_way() {
    let [system, user] =
        ["system", "user"].map(|folder| section(&read(&format!("systemd/{folder}/mer.service")), "Service"));
    let module = read("nix/module/default.nix");
    let mut faults = Vec::new();
    for key in ["Type", "KillMode", "TimeoutStartSec", "TimeoutStopSec", "Restart", "ExecStart"] {
        if system.get(key) != user.get(key) {
            faults.push(format!("{key} is {:?} and {:?}", system.get(key), user.get(key)));
        }
        let value = system.get(key).map_or("", String::as_str);
        if key != "ExecStart" && !module.contains(&format!("\"{value}\"")) {
            faults.push(format!("{key} is {value:?}, and not in the module"));
        }
    }
    assert_none(&faults, "units of a resident differ");
}

#[test]
fn what_differs_is_found() {
    let module = "hardened = x {\n    Type = \"oneshot\";\n    UMask = \"0077\";\n    A = true;\n    B = [ \"x\" \"y\" ];\n  };\n";
    let unit = "[Unit]\nA=no\n[Service]\n# B=z\nType=notify\nUMask=0077\nA=yes\nB=x y\n";
    assert_eq!(differences(module, unit), [""; 0]);
    assert_eq!(differences(module, &unit.replace("A=yes", "A=no")).len(), 1);
    assert_eq!(differences(module, &unit.replace("B=x y\n", "")).len(), 1);
}
