use super::*;
use crate::journal::format::{decode, encode};

/// Rewrites a segment as an older version of MER wrote it: without the fields that it did not have.
fn as_format_1(path: &Path) {
    let text = fs::read(path).unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let older = lines.map(|line| {
        let mut value: serde_json::Value = decode(line).unwrap();
        let fields = value.as_object_mut().unwrap();
        for field in ["batchUid", "items", "failedItems", "jobId", "via", "tags"] {
            fields.remove(field);
        }
        if let Some(format) = fields.get_mut("format") {
            assert_eq!(*format, 2);
            *format = 1.into();
        }
        encode(&value).unwrap()
    });
    fs::write(path, older.collect::<Vec<_>>().concat()).unwrap();
}

#[tokio::test]
async fn a_segment_of_an_older_format_drains() {
    let (database, journal) = journal().await;
    let (over, open) = (started(), started());
    let over_at_end = Access { items: Some(7), tags: mer_core::Tags::parse(["a=b"]).unwrap(), ..ended(&over) };
    for begun in [&over, &open] {
        journal.started(begun, Durability::Synced).await.unwrap();
    }
    journal.ended(&over_at_end).await.unwrap();
    journal.close().await.unwrap();
    as_format_1(&only_segment(&database));
    let report = drain(&database).await.unwrap();
    // Two starts, an end, and the end that is missing.
    assert_eq!((report.recorded, report.corrupt, report.lost, report.segments), (4, 0, 1, 1), "{report:?}");
    let found = with_session(&database, async |session| session.access(over.request_uid).await.unwrap()).await;
    assert_eq!(found, [Access { items: None, tags: mer_core::Tags::default(), ..over_at_end }]);
    assert_eq!(segments(&database.journal_dir()), Vec::<PathBuf>::new());
}
