use std::fs;

use super::*;

const FLOWERS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/iris/iris.csv"));

fn answers(flowers: &str, weights: Option<&Path>) -> Result<String, String> {
    let mut out = Vec::new();
    match infer(flowers.as_bytes(), &mut out, weights) {
        Ok(()) => Ok(String::from_utf8(out).expect("UTF-8")),
        Err(Failure::Message(message)) => Err(message),
        Err(Failure::Io(source)) => panic!("{source}"),
    }
}

fn trained(flowers: &str, out: Option<&Path>) -> Result<String, String> {
    let mut report = Vec::new();
    match train(flowers.as_bytes(), &mut report, out) {
        Ok(()) => Ok(String::from_utf8(report).expect("UTF-8")),
        Err(Failure::Message(message)) => Err(message),
        Err(Failure::Io(source)) => panic!("{source}"),
    }
}

#[test]
fn the_shipped_flowers_are_fishers() {
    let rows: Vec<&str> = FLOWERS.lines().skip(1).collect();
    assert_eq!(rows.len(), 150);
    // The two rows that a widely copied file has wrong.
    assert_eq!(rows[34], "4.9,3.1,1.5,0.2,setosa");
    assert_eq!(rows[37], "4.9,3.6,1.4,0.1,setosa");
    // The sums of the columns, in millimetres.
    let sums = rows.iter().fold([0_u64; 4], |mut sums, row| {
        for (sum, field) in sums.iter_mut().zip(row.split(',')) {
            *sum += field.replace('.', "").parse::<u64>().expect("a length with one decimal");
        }
        sums
    });
    assert_eq!(sums, [8765, 4586, 5637, 1799]);
}

#[test]
fn the_built_in_weights_are_what_training_makes_of_the_shipped_flowers() {
    let (learn, hold) = read(FLOWERS.as_bytes()).expect("the shipped flowers");
    assert_eq!((learn.len(), hold.len()), (120, 30));
    let weights = fit(&learn);
    for (built_in, trained) in BUILT_IN.as_flattened().iter().zip(weights.as_flattened()) {
        assert!((built_in - trained).abs() <= 0.6e-6, "BUILT_IN should be:\n{weights:.6?}");
    }
}

#[test]
fn a_flower_in_gives_its_species() {
    let answer = answers("5.1,3.5,1.4,0.2\n", None).expect("an answer");
    assert_eq!(answer, "{\"species\":\"setosa\",\"probability\":0.98}\n");
    let several = answers("6.0, 2.9, 4.5, 1.5\r\n6.3,3.3,6,2.5\n\n\n", None).expect("answers");
    let species: Vec<&str> = several.lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(species, ["versicolor", "virginica"]);
}

#[test]
fn what_is_no_flower_is_refused_with_its_line_and_what_is_expected() {
    for (input, line) in [
        ("5.1,3.5,1.4\n", 1),
        ("5.1,3.5,1.4,0.2\n5.1,3.5,1.4,0.2,setosa\n", 2),
        ("5.1,3.5,1.4,wide\n", 1),
        ("5.1,3.5,1.4,NaN\n", 1),
        ("5.1,3.5,inf,1\n", 1),
        ("5.1,3.5,1.4,0.2\n\n5.1,3.5,1.4,0.2\n", 2),
        ("\u{0}\u{fffd}\n", 1),
        (&"1".repeat(5000), 1),
    ] {
        let sentence = answers(input, None).expect_err(input);
        assert!(sentence.starts_with(&format!("line {line}: ")) && sentence.contains(EXPECTED), "{sentence}");
    }
    assert!(answers("", None).expect_err("no flower").contains(EXPECTED));
}

#[test]
fn flowers_before_a_bad_one_are_answered() {
    let mut out = Vec::new();
    assert!(infer(&b"5.1,3.5,1.4,0.2\nrose\n"[..], &mut out, None).is_err());
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn training_is_repeatable_reports_its_accuracy_and_its_weights_answer() {
    let folder = std::env::temp_dir().join(format!("mer-iris-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (first, second) = (folder.join("1.npy"), folder.join("2.npy"));
    let report = trained(FLOWERS, Some(&first)).expect("a report");
    assert_eq!(report, "iris: learned from 120 flowers; 29 of 30 held out are right (96.7 %)\n");
    trained(FLOWERS, Some(&second)).expect("a report");
    assert_eq!(fs::read(&first).expect("weights"), fs::read(&second).expect("weights"));

    let without_species: String = FLOWERS
        .lines()
        .skip(1)
        .filter_map(|row| row.rsplit_once(','))
        .map(|(lengths, _)| format!("{lengths}\n"))
        .collect();
    let same = answers(&without_species, Some(&first)) == answers(&without_species, None);
    assert!(same, "the file's weights and the built-in ones answer differently");

    fs::write(&second, "no weights").expect("a file");
    let sentence = answers("5.1,3.5,1.4,0.2", Some(&second)).expect_err("bad weights");
    assert!(sentence.contains("2.npy") && sentence.contains("expected a .npy file"), "{sentence}");
    let sentence = answers("5.1,3.5,1.4,0.2", Some(&folder.join("3.npy"))).expect_err("no weights");
    assert!(sentence.contains("3.npy"), "{sentence}");
    fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let nowhere = Path::new("/nonexistent/weights.npy");
    assert!(trained(FLOWERS, None).expect_err("no path").contains("MER_WEIGHTS_OUT"));
    assert!(trained(FLOWERS, Some(nowhere)).expect_err("no folder").contains("/nonexistent/weights.npy"));
    assert!(trained("", Some(nowhere)).expect_err("nothing").contains("0 flowers of setosa"));
    let rose = trained("5.1,3.5,1.4,0.2,setosa\n5.1,3.5,1.4,0.2,rose\n", Some(nowhere)).expect_err("a rose");
    assert!(rose.starts_with("line 2: ") && rose.contains(EXPECTED_TRAINING), "{rose}");
    let alike = "1,1,1,1,setosa\n1,1,1,1,versicolor\n1,1,1,1,virginica\n".repeat(5);
    let (learn, _) = read(alike.as_bytes()).expect("flowers");
    assert!(fit(&learn).as_flattened().iter().all(|weight| weight.is_finite()));
}
