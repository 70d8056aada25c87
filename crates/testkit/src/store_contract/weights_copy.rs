//! Weights that are copied from another database, and the end of a training. These cases open sessions themselves.

use mer_core::{
    Access, AccessKind, AliasMove, CURRENT_ALIAS, Classified as _, Dtype, FailureKind, Status, WeightsFormat,
    WeightsVersion,
};
use mer_dal::{DalError, Database, NewVersion, Upload};
use uuid::Uuid;

use super::weights::{get, model, put, raw, with};
use crate::{ended, started};

/// Copied versions keep their numbers and times, and aliases their history; versions of this database stay.
pub async fn weights_of_another_database_are_taken_over(database: &Database) {
    let iris = &model(database, "iris").await;
    let sha256 = async |bytes: &[u8]| {
        let mut upload = Upload::new(database, iris);
        upload.write(bytes).await.unwrap();
        upload.sha256()
    };
    let elsewhere = async |version: u64, bytes: &[u8]| WeightsVersion {
        model: iris.name.clone(),
        version,
        format: WeightsFormat::Raw,
        dtype: Dtype::U8,
        shape: Some(vec![bytes.len() as u64]),
        bytes: bytes.len() as u64,
        sha256: sha256(bytes).await,
        parent_version: Some(1),
        request_uid: Some(Uuid::from_u128(7)),
        attempt: Some(2),
        note: Some("from elsewhere".to_owned()),
        created_at: "2025-01-02T03:04:05.123456Z".parse().unwrap(),
        payload: Uuid::nil(),
    };
    let restore = async |version: &WeightsVersion, bytes: &[u8]| {
        let mut upload = Upload::new(database, iris);
        upload.write(bytes).await.unwrap();
        upload.restore(version).await
    };
    let third = elsewhere(3, b"three").await;
    for _ in 0..2 {
        restore(&third, b"three").await.unwrap();
    }
    let found = with(database, async |session| session.versions(iris).await.unwrap()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(WeightsVersion { payload: Uuid::nil(), ..found[0].clone() }, third);
    assert_eq!(get(database, &found[0]).await, b"three");
    let error = restore(&third, b"four").await.unwrap_err();
    assert!(matches!(error, DalError::Damaged { .. }), "{error:?}");
    for wrong in [
        WeightsVersion { shape: Some(vec![4]), ..third.clone() },
        WeightsVersion { parent_version: Some(3), ..third.clone() },
        WeightsVersion { version: i64::MAX.unsigned_abs(), ..third.clone() },
    ] {
        let error = restore(&wrong, b"three").await.unwrap_err();
        assert!(matches!(error, DalError::Invalid { .. }), "{error:?}");
        assert_eq!(error.failure_kind(), FailureKind::Input);
    }
    let error = restore(&elsewhere(3, b"four").await, b"four").await.unwrap_err();
    assert!(matches!(error, DalError::OtherVersion { version: 3, .. }), "{error:?}");
    assert_eq!(error.failure_kind(), FailureKind::Config);
    assert_eq!(get(database, &found[0]).await, b"three");

    let moved = |number: u64, version: Option<u64>| AliasMove {
        model: iris.name.clone(),
        name: CURRENT_ALIAS.to_owned(),
        number,
        version,
        moved_at: format!("2025-01-02T03:04:{number:02}.5Z").parse().unwrap(),
        caller: "them@there".to_owned(),
        request_uid: (number == 1).then(|| Uuid::from_u128(9)),
    };
    // The moves of aliases may come in any order, and repeatedly.
    let moves = [moved(2, None), moved(1, Some(2)), moved(3, Some(3))];
    for _ in 0..2 {
        with(database, async |session| session.restore_aliases(iris, 5, &moves).await.unwrap()).await;
    }
    let now = async || {
        with(database, async |session| {
            let named = session.named_versions(std::slice::from_ref(iris)).await.unwrap();
            let moves = session.alias_moves(iris, None).await.unwrap();
            (named.first().map(|(alias, _)| alias.version), moves, session.last_version(iris).await.unwrap())
        })
        .await
    };
    assert_eq!(now().await, (Some(3), vec![moved(3, Some(3)), moved(2, None), moved(1, Some(2))], 5));
    // Numbers continue after the copied versions.
    let sixth = put(database, iris, b"six", &NewVersion { aliases: vec![CURRENT_ALIAS.to_owned()], ..raw() }).await;
    assert_eq!(sixth.version, 6);
    with(database, async |session| session.restore_aliases(iris, 5, &moves).await.unwrap()).await;
    let (current, all, last) = now().await;
    assert_eq!((current, all.len(), all[0].number, last), (Some(6), 4, 4, 6));
}

/// The version, the end of its access and the move of the alias are stored together or not at all.
pub async fn a_training_is_one_step(database: &Database) {
    let iris = model(database, "iris").await;
    let begun = |attempt| {
        let access = started(Uuid::from_u128(77), attempt, "iris", "2026-01-02T03:04:05Z".parse().unwrap());
        Access { kind: AccessKind::Train, ..access }
    };
    let made = |access: &Access| {
        let over = Access { weights_version: None, weights_sha256: None, ..ended(access, Status::Succeeded) };
        NewVersion { access: Some(Box::new(over)), aliases: vec![CURRENT_ALIAS.to_owned()], ..raw() }
    };
    let row = async |attempt: u32| {
        let rows = with(database, async |session| session.access(Uuid::from_u128(77)).await.unwrap()).await;
        rows.into_iter().find(|row| row.attempt == attempt)
    };
    // The access may be recorded as started, closed as lost, or still be in a journal.
    with(database, async |session| {
        let lost = Access { status: Status::Lost, ..begun(2) };
        session.record(&[begun(1), lost]).await.unwrap();
    })
    .await;
    for attempt in 1..=3 {
        let version = put(database, &iris, &[1, 2, u8::try_from(attempt).unwrap()], &made(&begun(attempt))).await;
        assert_eq!((version.version, version.attempt), (u64::from(attempt), Some(attempt)));
        let row = row(attempt).await.unwrap();
        let wanted = Access {
            weights_version: Some(version.version),
            weights_sha256: Some(version.sha256),
            ..ended(&begun(attempt), Status::Succeeded)
        };
        assert_eq!(row, wanted);
    }
    // A later record from the journal changes nothing.
    with(database, async |session| {
        session.record(&[begun(1), Access { status: Status::Lost, ..begun(3) }]).await.unwrap();
        let moves = session.alias_moves(&iris, None).await.unwrap();
        assert!(moves.iter().all(|moved| moved.request_uid == Some(Uuid::from_u128(77))));
        assert_eq!(moves.iter().map(|moved| moved.version).collect::<Vec<_>>(), [Some(3), Some(2), Some(1)]);
    })
    .await;
    assert_eq!(row(3).await.unwrap().status, Status::Succeeded);
    // If the version cannot be stored, the access is unchanged.
    with(database, async |session| session.record(&[begun(4)]).await.unwrap()).await;
    let mut upload = Upload::new(database, &model(database, "echo").await);
    upload.write(b"late").await.unwrap();
    with(database, async |session| session.remove_model("echo").await.unwrap()).await;
    let error = upload.finish(&made(&begun(4))).await.unwrap_err();
    assert!(matches!(error, DalError::ModelGone { .. }), "{error:?}");
    assert_eq!(row(4).await.unwrap().status, Status::Started);
}
