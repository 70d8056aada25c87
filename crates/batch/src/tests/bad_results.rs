//! Results and ledgers that are not what they were.

use std::{fs, os::unix::fs::FileExt as _};

use mer_core::{Classified as _, FailureKind};

use super::{
    fake_runner::FakeRunner,
    harness::{Folder, answers, options, resuming},
};
use crate::{BatchEnd, BatchError, Options, OutputFormat, Subject};

const LINES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

async fn done() -> Folder {
    let folder = Folder::new();
    folder.input(&LINES);
    folder.run(options(), &FakeRunner::new(1)).await.unwrap();
    assert_eq!(folder.output(), answers(&LINES));
    folder
}

async fn refused(folder: &Folder, options: Options) -> BatchError {
    let before = (fs::read(folder.path("out")).ok(), fs::read(folder.path("out.mer")).unwrap());
    let error = folder.run(options, &FakeRunner::new(1)).await.unwrap_err();
    let after = (fs::read(folder.path("out")).ok(), fs::read(folder.path("out.mer")).unwrap());
    assert!(before == after, "nothing was changed: {error}");
    error
}

async fn forced(folder: &Folder, kept: u64) {
    let summary = folder.run(Options { force: true, ..resuming() }, &FakeRunner::new(1)).await.unwrap();
    assert_eq!((folder.output(), summary.progress.kept), (answers(&LINES), kept));
}

#[tokio::test]
async fn results_are_not_overwritten() {
    let folder = done().await;
    let error = refused(&folder, options()).await;
    assert!(matches!(error, BatchError::OutputExists { has_ledger: true, .. }), "{error}");
    assert_eq!(error.failure_kind(), FailureKind::Usage);
    fs::remove_file(folder.path("out.mer")).unwrap();
    for options in [options(), resuming()] {
        let error = folder.run(options, &FakeRunner::new(1)).await.unwrap_err();
        assert!(matches!(error, BatchError::OutputExists { has_ledger: false, .. }), "{error}");
    }
}

#[tokio::test]
async fn another_subject_is_refused() {
    let folder = done().await;
    let base = resuming();
    let subject = base.subject.clone();
    let other = |subject| Options { subject, ..base.clone() };
    for (options, what) in [
        (other(Subject { model: "other".into(), ..subject.clone() }), "another model: `model`, not `other`"),
        (other(Subject { weights: "w:2".into(), ..subject.clone() }), "another version of the weights: ``, not `w:2`"),
        (other(Subject { command: "ab".into(), ..subject.clone() }), "another command"),
        (other(Subject { framing: "null".into(), ..subject.clone() }), "another protocol"),
        (Options { output_format: OutputFormat::Json, ..base.clone() }, "another output format: `text`, not `json`"),
        (Options { input_format: crate::InputFormat::Null, ..base.clone() }, "another input format"),
    ] {
        let error = refused(&folder, options).await;
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.failure_kind(), FailureKind::Input);
    }
    let newer = other(Subject { mer_version: "99".into(), ..subject.clone() });
    assert_eq!(folder.run(newer, &FakeRunner::new(1)).await.unwrap().progress.kept, 6);

    // Results of another model are kept if that is asked for; those of another form cannot be.
    let model = Options { force: true, ..other(Subject { model: "other".into(), ..subject }) };
    let runner = FakeRunner::new(1);
    assert_eq!(folder.run(model.clone(), &runner).await.unwrap().progress.kept, 6);
    assert_eq!(folder.run(Options { force: false, ..model }, &runner).await.unwrap().progress.kept, 6);
    let json = Options { output_format: OutputFormat::Json, force: true, ..base };
    assert_eq!(folder.run(json, &runner).await.unwrap().progress.kept, 0);
    assert_eq!(folder.output().lines().count(), 6);
}

#[tokio::test]
async fn results_that_were_edited_are_refused() {
    for (name, number, kept) in [("change", 3, 2), ("shorten", 6, 5), ("remove", 1, 0), ("insert", 1, 0)] {
        let folder = done().await;
        let before = folder.output();
        match name {
            "change" => fs::write(folder.path("out"), before.replace("<C>", "<X>")).unwrap(),
            "shorten" => fs::write(folder.path("out"), &before[..before.len() - 1]).unwrap(),
            "insert" => fs::write(folder.path("out"), format!("\n{before}")).unwrap(),
            _ => fs::remove_file(folder.path("out")).unwrap(),
        }
        let error = refused(&folder, resuming()).await;
        let said = format!("changed by another program than MER: result {number} is not the one in the ledger");
        assert!(error.to_string().contains(&said), "{name}: {error}");
        assert_eq!(error.failure_kind(), FailureKind::Input);
        forced(&folder, kept).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_is_noticed_wherever_it_is() {
    let whole = done().await;
    let ledger = fs::read(whole.path("out.mer")).unwrap();
    for at in (0..ledger.len()).step_by(7).chain(4096..4096 + 120) {
        // The pid, and gaps between the fields, which mean nothing.
        let gaps = [20..24, 24..64, 100..128, 164..512];
        if gaps.iter().any(|gap| gap.contains(&at)) || (ledger[at] == 0 && (512..4096).contains(&at)) {
            continue;
        }
        let folder = Folder::new();
        folder.input(&LINES);
        fs::copy(whole.path("out"), folder.path("out")).unwrap();
        fs::write(folder.path("out.mer"), &ledger).unwrap();
        let file = fs::File::options().write(true).open(folder.path("out.mer")).unwrap();
        file.write_all_at(&[ledger[at] ^ 0x10], at as u64).unwrap();
        // One of two slots may be lost, and the last record may be torn: both do no harm.
        match folder.run(resuming(), &FakeRunner::new(1)).await {
            Ok(summary) => assert!(summary.progress.kept >= 5 && folder.output() == answers(&LINES), "{at}"),
            Err(BatchError::DamagedLedger { .. } | BatchError::NewerLedger { .. }) => {}
            Err(other) => panic!("{at}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_damaged_ledger_is_refused_and_its_beginning_can_be_used() {
    let folder = done().await;
    let file = fs::File::options().write(true).open(folder.path("out.mer")).unwrap();
    file.write_all_at(&[0xff; 3], 4096 + 2 * 60 + 5).unwrap();
    let error = refused(&folder, resuming()).await;
    assert!(error.to_string().contains("is damaged: record 3 is not the one"), "{error}");
    assert_eq!(error.failure_kind(), FailureKind::Input);
    forced(&folder, 2).await;

    file.write_all_at(&[9], 8).unwrap();
    let error = refused(&folder, resuming()).await;
    assert!(matches!(error, BatchError::NewerLedger { version: 9, .. }), "{error}");

    fs::write(folder.path("out.mer"), "my notes on memory errors").unwrap();
    assert!(matches!(refused(&folder, resuming()).await, BatchError::DamagedLedger { intact: 0, .. }));
    fs::write(folder.path("out.mer"), "x".repeat(9999)).unwrap();
    assert!(matches!(refused(&folder, resuming()).await, BatchError::DamagedLedger { intact: 0, .. }));
    forced(&folder, 0).await;
}

#[tokio::test]
async fn a_full_disk_ends_the_batch_which_can_be_resumed() {
    let folder = Folder::new();
    let lines: Vec<String> = (0..3000).map(|number| format!("item {number}")).collect();
    folder.input(&lines);
    let whole = answers(&lines);
    let runner = FakeRunner::new(2);
    let full = Options { full_at: Some(whole.len() as u64 / 2), ..options() };
    let summary = folder.run(full, &runner).await.unwrap();
    let BatchEnd::Failed(error) = &summary.end else { panic!("{summary:?}") };
    assert!(matches!(error, BatchError::Write { .. }), "{error}");
    assert_eq!((summary.failure_kind(), summary.is_resumable), (Some(FailureKind::Io), true));
    assert_eq!(folder.output().len(), whole.len() / 2);
    folder.run(resuming(), &runner).await.unwrap();
    assert_eq!(folder.output(), whole);
}

#[tokio::test]
async fn a_power_cut_loses_what_was_not_synced_and_nothing_else() {
    let lines: Vec<String> = (0..40).map(|number| format!("item {number}")).collect();
    let (before, after) = ([1; 16], [2; 16]);
    for synced in [0_u8, 1, 17, 40] {
        for garbage in [false, true] {
            let folder = Folder::new();
            folder.input(&lines);
            folder.run(Options { boot: Some(before), ..options() }, &FakeRunner::new(1)).await.unwrap();
            crate::ledger::set_synced(&folder.path("out.mer"), synced.into(), before);
            // Pages that were not written are zeros, or are there while those before them are not.
            let kept = answers(&lines[..synced.into()]).len();
            let mut out = fs::read(folder.path("out")).unwrap();
            let end = if garbage { out.len() } else { kept };
            out[kept..].fill(0);
            fs::write(folder.path("out"), &out[..end]).unwrap();
            let mut ledger = fs::read(folder.path("out.mer")).unwrap();
            if garbage && synced < 30 {
                ledger[4096 + (usize::from(synced) + 1) * 60..4096 + 31 * 60].fill(0);
            }
            fs::write(folder.path("out.mer"), ledger).unwrap();
            let resumed = Options { boot: Some(after), ..resuming() };
            let summary = folder.run(resumed, &FakeRunner::new(1)).await.unwrap();
            assert_eq!(
                (folder.output(), summary.progress.kept),
                (answers(&lines), synced.into()),
                "{synced} {garbage}"
            );
        }
    }
}
