//! Recording a batch, and finding the record in it that the database does not take.

use mer_core::{Access, Status};

use crate::{DalError, Session};

/// Said in the row of an access of which something had to be left out.
const NOTE: &str =
    "the database does not take the whole of this record: `refused.jsonl` in the journal's folder has it";

/// So many records that are refused, and none that is taken, are the database's fault.
pub(super) const SUSPICIOUS: usize = 8;

/// Records a batch as far as the database takes it. Gives the records that it does not take, and why.
///
/// A record is only suspected when the database says so itself, or when it takes others: where nothing can be written the
/// records have nothing to do with it. `others` is whether it has taken some before.
///
/// # Errors
/// What is no record's fault. Records of the batch may have been kept.
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

/// Records of a refused access what the database does take: how it ended is on record then, or at least that it is over.
pub(super) async fn record_less(session: &Session, access: &Access) -> Result<(), DalError> {
    for less in lesser(access) {
        match session.record(std::slice::from_ref(&less)).await {
            Err(error) if error.may_be_a_value() => {}
            done => return done,
        }
    }
    Ok(())
}

/// What may be recorded in place of an access, the best first.
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

/// The text with a question mark for every letter that an encoding may not have.
fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect()
}
