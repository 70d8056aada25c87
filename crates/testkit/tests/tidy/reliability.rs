//! The tests that docs/RELIABILITY.md names exist.

use crate::{assert_none, read, root};

#[test]
fn every_promise_names_tests_that_exist() {
    let page = read("docs/RELIABILITY.md");
    let mut faults = Vec::new();
    let mut named = 0;
    let mut promise = "";
    let mut of_promise = 1;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            if of_promise == 0 {
                faults.push(format!("`{promise}` names no test"));
            }
            (promise, of_promise) = (heading, 0);
        }
        for name in line.split('`').skip(1).step_by(2) {
            let Some((file, test)) = name.split_once(".rs::") else { continue };
            let file = format!("{file}.rs");
            of_promise += 1;
            named += 1;
            let is_there = root().join(&file).is_file() && {
                let text = read(&file);
                let at = text.find(&format!("fn {test}("));
                // The function must have the attribute of a test.
                at.is_some_and(|at| {
                    let before = text[..at].trim_end_matches("async ").lines().rev();
                    before.take_while(|line| line.trim_start().starts_with("#[")).any(|line| line.contains("test"))
                })
            };
            if !is_there {
                faults.push(format!("`{name}` is not a test"));
            }
        }
    }
    if of_promise == 0 {
        faults.push(format!("`{promise}` names no test"));
    }
    assert!(named > 40, "{named} tests were found in docs/RELIABILITY.md");
    assert_none(&faults, "docs/RELIABILITY.md");
}
