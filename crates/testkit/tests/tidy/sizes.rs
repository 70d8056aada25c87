//! Files stay short enough to be read at once.

use crate::{assert_none, rust};

/// Bounds of the lines of a module below `crates/*/src`: the median, the 90th percentile, the longest.
const MODULES: [usize; 3] = [110, 260, 450];
/// The longest file outside of `src/`: tests, benchmarks, examples.
const OTHERS: usize = 600;

/// The median, the 90th percentile and the largest.
fn spread(sizes: &mut [usize]) -> [usize; 3] {
    sizes.sort_unstable();
    let at = |percent: usize| sizes.get((sizes.len() * percent / 100).min(sizes.len().saturating_sub(1)));
    [at(50), at(90), at(100)].map(|size| size.copied().unwrap_or(0))
}

#[test]
fn modules_are_short() {
    let files = rust("crates").into_iter().filter(|(path, _)| path.contains("/src/"));
    let mut sizes: Vec<(usize, String)> = files.map(|(path, text)| (text.lines().count(), path)).collect();
    sizes.sort();
    let found = spread(&mut sizes.iter().map(|(lines, _)| *lines).collect::<Vec<_>>());
    let mut faults = Vec::new();
    for (name, found, bound) in [("median", found[0], MODULES[0]), ("90th percentile", found[1], MODULES[1])] {
        if found > bound {
            faults.push(format!("the {name} is {found} lines, the bound {bound}"));
        }
    }
    let longest = sizes.iter().filter(|(lines, _)| *lines > MODULES[2]);
    faults.extend(longest.map(|(lines, path)| format!("{path}: {lines} lines, the bound is {}", MODULES[2])));
    assert_none(
        &faults,
        &format!("lines of modules: median {}, 90th percentile {}, longest {}", found[0], found[1], found[2]),
    );
}

#[test]
fn tests_and_benchmarks_are_short() {
    let files = [rust("crates"), rust("tests")].concat();
    let others = files.iter().filter(|(path, _)| !path.contains("/src/"));
    let sizes = others.map(|(path, text)| (path, text.lines().count()));
    let faults: Vec<String> =
        sizes.filter(|(_, lines)| *lines > OTHERS).map(|(path, lines)| format!("{path}: {lines} lines")).collect();
    assert_none(&faults, &format!("source files of more than {OTHERS} lines"));
}

#[test]
fn the_spread_of_a_few_sizes() {
    assert_eq!(spread(&mut [500, 1, 2, 3, 4, 5, 6, 7, 8, 9]), [6, 500, 500]);
    assert_eq!(spread(&mut []), [0, 0, 0]);
}
