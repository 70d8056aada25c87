//! Looks up one request by its uid, or by the beginning of its uid.

use mer_core::{Access, AccessKind};
use mer_dal::{AccessFilter, Session};
use uuid::Uuid;

use crate::{error::ServiceError, runtime::Runtime};

/// Maximum number of attempts that are read for a beginning.
const MAX_READ: usize = 200;
/// Maximum number of requests that are named where a beginning means several.
const MAX_CANDIDATES: usize = 10;

/// Returns every attempt of one request: of the only one whose uid begins so, or of the newest run or training. The journal
/// is drained first.
///
/// # Errors
/// There is no such request, several of them, or the database cannot be read.
pub async fn attempts(runtime: &Runtime, beginning: Option<&str>) -> Result<Vec<Access>, ServiceError> {
    let session = runtime.session_drained().await?;
    let found = match beginning {
        Some(text) => by_beginning(&session, text).await,
        None => newest(&session).await,
    };
    let attempts = match found {
        Ok(uid) => session.access(uid).await.map_err(ServiceError::from),
        Err(error) => Err(error),
    };
    session.close().await?;
    attempts
}

/// The newest run or training; the newest access of any kind if there is none.
async fn newest(session: &Session) -> Result<Uuid, ServiceError> {
    for kinds in [vec![AccessKind::Infer, AccessKind::Train], Vec::new()] {
        let found = session.accesses(&AccessFilter { limit: 1, kinds, ..AccessFilter::default() }).await?;
        if let Some(access) = found.first() {
            return Ok(access.request_uid);
        }
    }
    Err(ServiceError::NoAccess)
}

/// The only request whose uid begins so.
async fn by_beginning(session: &Session, beginning: &str) -> Result<Uuid, ServiceError> {
    let none = || ServiceError::UnknownAccess { beginning: beginning.to_owned() };
    let (first, last) = range(beginning).ok_or_else(none)?;
    let mut requests = session.accesses_between(first, last, MAX_READ).await?;
    let is_more = requests.len() == MAX_READ;
    requests.dedup_by_key(|access| access.request_uid);
    match requests.as_slice() {
        [] => Err(none()),
        [access] => Ok(access.request_uid),
        several => {
            let count = several.len();
            requests.truncate(MAX_CANDIDATES);
            Err(ServiceError::AmbiguousAccess { beginning: beginning.to_owned(), count, is_more, candidates: requests })
        }
    }
}

/// Returns the first and the last uid that begin so. Hyphens are ignored.
fn range(beginning: &str) -> Option<(Uuid, Uuid)> {
    const DIGITS: usize = 32;
    let digits: String = beginning.chars().filter(|letter| *letter != '-').collect();
    if digits.is_empty() || digits.len() > DIGITS || !digits.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return None;
    }
    let filled = |with: &str| u128::from_str_radix(&(digits.clone() + &with.repeat(DIGITS - digits.len())), 16).ok();
    Some((Uuid::from_u128(filled("0")?), Uuid::from_u128(filled("f")?)))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_beginning_is_a_range_wherever_its_hyphens_stand() {
        let shown = |text: &str| range(text).map(|(first, last)| (first.to_string(), last.to_string()));
        let of = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        let all = of("0190abcd-0000-0000-0000-000000000000", "0190abcd-ffff-ffff-ffff-ffffffffffff");
        assert_eq!(shown("0190ABCD"), all);
        assert_eq!(shown("0190-abcd-"), all);
        let one = "0190abcd-0000-7000-8000-000000000001";
        assert_eq!(shown(one), of(one, one));
        assert_eq!(shown(&one.replace('-', "")), of(one, one));
        for none in ["", "-", "xyz", "0190abcd00007000800000000000000012"] {
            assert_eq!(range(none), None, "{none}");
        }
    }
}
