//! The page of `mer report` in a browser: three widths, light and dark, on paper, for screen readers, without scripts.

use std::{collections::BTreeSet, fs, path::Path};

use mer_core::{Access, Status};
use serde_json::{Value, json};
use uuid::Uuid;

use super::hourly;
use crate::support::{Browser, OnServer, Python, record};

/// Elements that reach beyond the page. What is in a box that scrolls may; on paper nothing scrolls.
const TOO_WIDE: &str = r#"(() => {
    const width = document.documentElement.clientWidth, isPaper = matchMedia("print").matches;
    const found = [...document.body.querySelectorAll("*")].filter(element => {
        const inBox = !isPaper && element.parentElement.closest(".scroll");
        return !inBox && element.getBoundingClientRect().right > width + 0.5;
    });
    const whole = document.documentElement.scrollWidth > width ? ["the page"] : [];
    return whole.concat(found.map(element => element.outerHTML.slice(0, 150)));
})()"#;

/// Cells of states, times and numbers that are broken into lines.
const BROKEN: &str = r#"[...document.querySelectorAll("td.word, td.number, th[scope=col]")].filter(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const lines = new Set([...range.getClientRects()].filter(box => box.width > 0).map(box => Math.round(box.top)));
    return lines.size > 1;
}).map(cell => cell.outerHTML)"#;

/// Violations of the rules of axe-core.
const VIOLATIONS: &str = r#"axe.run(document, { resultTypes: ["violations"] }).then(result =>
    result.violations.map(rule => [rule.id, rule.help, rule.nodes.slice(0, 3).map(node => node.html.slice(0, 150))]))"#;

const BACKGROUND: &str = "getComputedStyle(document.body).backgroundColor";

/// Tables of numbers below drawings that cannot be seen.
const HIDDEN: &str = r#"[...document.querySelectorAll("details table")].filter(table =>
    !table.checkVisibility({ contentVisibilityAuto: true }) || table.getBoundingClientRect().height === 0).length"#;

/// Returns a page with something in all lists that the log and the registry fill, and texts that cannot be broken at words.
fn page() -> OnServer {
    let place = OnServer::embedded();
    let registry = include_str!("../database.jsonl");
    place.env.piped(["--allow-changes", "--quiet", "import", "-"], registry).ok();
    let mut all = hourly(150);
    for (n, access) in (0_u64..).zip(&mut all) {
        match n % 10 {
            0 => access.model = "sentiment".to_owned(),
            1 => (access.model, access.server) = ("m".repeat(64), "s".repeat(64)),
            2 => access.error = Some("<b>&amp;</b>".repeat(20)),
            5 => access.status = Status::Unreachable,
            _ => {}
        }
        access.weights_version = Some(1 + n / 20);
        if n % 30 == 3 {
            let batch = Uuid::from_u128(u128::from(n) << 64);
            *access = Access { batch_uid: Some(batch), items: Some(1000), failed_items: Some(3), ..access.clone() };
        }
    }
    record(&place.env, "embedded", &all);
    place.mer_line("report --since 2026-05-01 --until 2026-05-07 --utc -o page.html").ok();
    place
}

#[test]
fn the_page_fits_every_screen_and_paper_and_is_whole_without_scripts_and_network() {
    let Some(mut browser) = Browser::start() else { return };
    let place = page();
    let file = place.env.path("work/page.html");
    browser.open(&file);
    let requests = browser.events("Network.requestWillBeSent");
    assert_eq!(requests.len(), 1, "nothing but the page is asked for: {requests:?}");
    let told = browser.events("Log.entryAdded");
    assert!(told.is_empty(), "{told:?}");

    let mut backgrounds = BTreeSet::new();
    for width in [360, 800, 1400] {
        browser.width(width);
        for colours in ["light", "dark"] {
            browser.medium("screen", colours);
            for fault in [TOO_WIDE, BROKEN] {
                assert_eq!(browser.evaluate(fault), json!([]), "{width} {colours}");
            }
            backgrounds.insert(browser.evaluate(BACKGROUND).to_string());
        }
    }
    assert_eq!(backgrounds.len(), 2, "{backgrounds:?}");

    // A4 with margins of a centimetre, and US letter.
    for width in [718, 740] {
        browser.width(width);
        browser.medium("print", "dark");
        assert_eq!(browser.evaluate(TOO_WIDE), json!([]), "on paper");
        assert_eq!(browser.evaluate(HIDDEN), 0, "the numbers are on paper");
        assert_eq!(browser.evaluate(BACKGROUND), "rgb(255, 255, 255)", "paper is white");
    }

    browser.medium("screen", "light");
    let text = browser.evaluate("document.body.innerText");
    assert_eq!(browser.evaluate("document.scripts.length"), 0);
    browser.call("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&file);
    assert_eq!(browser.evaluate("document.body.innerText"), text);
    let text = text.as_str().expect("text");
    assert!(
        ["<b>&amp;</b>", "unreachable", "current became version 2"].iter().all(|words| text.contains(words)),
        "{text}"
    );
}

#[test]
fn a_screen_reader_has_names_of_all_drawings_and_axe_finds_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let place = page();
    browser.open(&place.env.path("work/page.html"));
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().expect("nodes");
    let of_role = |role: &'static str| nodes.iter().filter(move |node| node["role"]["value"] == role);
    let name = |node: &Value| node["name"]["value"].as_str().unwrap_or_default().to_owned();
    let drawings: Vec<String> = of_role("image").map(name).collect();
    assert!(drawings.len() >= 3 && !drawings.contains(&String::new()), "{drawings:?}");
    assert!(drawings.iter().any(|name| name == "Requests over time"), "{drawings:?}");
    // Each table has its caption as its name, and is in a box that the keyboard reaches.
    let tables: Vec<String> = of_role("table").map(name).collect();
    assert!(tables.len() >= 4 && !tables.contains(&String::new()), "{tables:?}");
    assert_eq!(browser.evaluate("document.querySelectorAll('.scroll:not([tabindex=\"0\"])').length"), 0);

    // Its dependencies are for another way to drive a browser.
    let Some(python) = Python::with(&["--no-deps", "axe-playwright-python==0.1.8"]) else { return };
    let axe =
        fs::read_to_string(python.packages.join(Path::new("axe_playwright_python/axe.min.js"))).expect("axe-core");
    browser.evaluate(&format!("{axe};0"));
    for width in [360, 800, 1400] {
        browser.width(width);
        for (medium, colours) in [("screen", "light"), ("screen", "dark"), ("print", "light")] {
            browser.medium(medium, colours);
            assert_eq!(browser.evaluate(VIOLATIONS), json!([]), "{width} {medium} {colours}");
        }
    }
}
