//! Records a batch, and finds the records in it that the database refuses.

use mer_core::{Access, Status};

use crate::{DalError, Session};

/// Error in the row of an access that was recorded without some of its texts.
const NOTE: &str =
    "the database does not take the whole of this record: `refused.jsonl` in the journal's folder has it";

/// Number of refused records after which, if none was taken, the database is at fault and not the records.
pub(super) const SUSPICIOUS: usize = 8;

/// Records as much of a batch as the database takes. Returns the refused records, with the reason.
///
/// A record is blamed only if the database itself names the value, or takes other records; otherwise perhaps nothing
/// can be written. `others` says whether other records were taken before.
///
/// # Errors
/// Errors that no record caused. Some records of the batch may have been stored.
pub(super) async fn record<'a>(
    session: &Session,
    batch: &'a [Access],
    others: bool,
) -> Result<Vec<(&'a Access, DalError)>, DalError> {
    let (mut refused, mut unsure, mut taken) = (Vec::new(), 0, others);
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match session.record(part).await {
            Ok(()) => taken = true,
            Err(error) if !error.may_be_a_value() => return Err(error),
            Err(error) => match part {
                [access] => {
                    unsure += usize::from(!error.is_a_value());
                    refused.push((access, error));
                    if !taken && unsure >= SUSPICIOUS {
                        break;
                    }
                }
                _ => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            },
        }
    }
    if !taken && unsure > 0 {
        let first = refused.into_iter().find(|(_, error)| !error.is_a_value());
        return first.map_or(Ok(Vec::new()), |(_, error)| Err(error));
    }
    Ok(refused)
}

/// Records as much of a refused access as the database takes: how it ended, or at least that it is over.
pub(super) async fn record_less(session: &Session, access: &Access) -> Result<(), DalError> {
    for less in lesser(access) {
        match session.record(std::slice::from_ref(&less)).await {
            Err(error) if error.may_be_a_value() => {}
            done => return done,
        }
    }
    Ok(())
}

/// Returns what to record in place of an access, the most complete record first.
fn lesser(access: &Access) -> Vec<Access> {
    let plain = Access {
        model: ascii(&access.model),
        server: ascii(&access.server),
        caller: ascii(&access.caller),
        stderr_tail: ascii(&access.stderr_tail),
        error: access.error.as_deref().map(ascii),
        ..access.clone()
    };
    if access.status == Status::Started {
        return vec![plain];
    }
    let short = Access { stderr_tail: String::new(), error: Some(NOTE.to_owned()), ..plain.clone() };
    let over = Access {
        status: Status::Lost,
        stop_access: None,
        exit_code: None,
        signal: None,
        queue_ms: None,
        connect_ms: None,
        start_ms: None,
        run_ms: None,
        stdin_sha256: None,
        stdout_sha256: None,
        ..short.clone()
    };
    let silent = Access { error: None, ..over.clone() };
    vec![plain, short, over, silent]
}

/// Replaces every letter that an encoding may lack with a question mark.
fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect()
}
