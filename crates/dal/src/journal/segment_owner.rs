//! Whose a segment is.

use uuid::Uuid;

use super::{format::Header, report::DrainOptions};
use crate::{DalError, Location, Session};

/// The database that is drained into.
#[derive(Debug)]
pub(super) struct DrainTarget {
    uid: Uuid,
    location: Option<Location>,
    options: DrainOptions,
}

/// Whose a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentOwner {
    /// This database's.
    ThisDatabase,
    /// The same database's at another place: of a copy, or from before it was moved.
    OtherLocation,
    /// Another database's.
    OtherDatabase,
}

impl DrainTarget {
    /// Asks the database.
    pub(super) async fn of(session: &Session, options: DrainOptions) -> Result<Self, DalError> {
        let uid = session.database_uid().await?;
        Ok(Self { uid, location: session.database().location(), options })
    }

    pub(super) fn owner(&self, header: &Header) -> SegmentOwner {
        let (Some(here), Some(there)) = (&self.location, &header.location) else {
            // One of them is not known: what an older MER wrote, or a database in memory.
            return match header.database_uid == self.uid {
                true if self.options.only_from_here => SegmentOwner::OtherLocation,
                true => SegmentOwner::ThisDatabase,
                false => SegmentOwner::OtherDatabase,
            };
        };
        let is_same = here.is_same(there);
        let is_released = self.options.from.contains(&there.address);
        match header.database_uid == self.uid {
            true if is_same || is_released => SegmentOwner::ThisDatabase,
            true => SegmentOwner::OtherLocation,
            // Made for this very database before it was given another uid.
            false if is_same && is_released => SegmentOwner::ThisDatabase,
            false => SegmentOwner::OtherDatabase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(uid: Uuid, location: Option<Location>) -> Header {
        let (host, mer_version) = ("h".to_owned(), "0".to_owned());
        Header { format: 1, database_uid: uid, host, pid: 1, mer_version, location }
    }

    #[test]
    fn what_is_not_surely_of_this_place_is_left_unless_it_is_asked_for() {
        let at = |address: &str| Some(Location::at(address.to_owned()));
        let here = |options: DrainOptions| DrainTarget { uid: Uuid::max(), location: at("a"), options };
        let from = |address: &str| DrainOptions { from: vec![address.to_owned()], ..DrainOptions::default() };
        let only = DrainOptions { only_from_here: true, ..DrainOptions::default() };
        for (uid, address, options, owner) in [
            (Uuid::max(), at("a"), DrainOptions::default(), SegmentOwner::ThisDatabase),
            (Uuid::max(), at("b"), DrainOptions::default(), SegmentOwner::OtherLocation),
            (Uuid::max(), at("b"), from("b"), SegmentOwner::ThisDatabase),
            (Uuid::max(), at("b"), from("c"), SegmentOwner::OtherLocation),
            (Uuid::max(), None, DrainOptions::default(), SegmentOwner::ThisDatabase),
            (Uuid::max(), None, only.clone(), SegmentOwner::OtherLocation),
            (Uuid::max(), at("a"), only, SegmentOwner::ThisDatabase),
            (Uuid::nil(), at("a"), DrainOptions::default(), SegmentOwner::OtherDatabase),
            (Uuid::nil(), at("a"), from("a"), SegmentOwner::ThisDatabase),
            (Uuid::nil(), at("b"), from("b"), SegmentOwner::OtherDatabase),
            (Uuid::nil(), None, DrainOptions::default(), SegmentOwner::OtherDatabase),
        ] {
            assert_eq!(
                here(options.clone()).owner(&header(uid, address.clone())),
                owner,
                "{uid} {address:?} {options:?}"
            );
        }
    }
}
