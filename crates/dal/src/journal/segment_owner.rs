//! Which database a segment belongs to.

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

/// The database that a segment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentOwner {
    /// The database that is drained into.
    ThisDatabase,
    /// The same database at another location: a copy, or the database before it was moved.
    OtherLocation,
    /// Another database.
    OtherDatabase,
}

impl DrainTarget {
    /// Reads uid and location of the database.
    pub(super) async fn of(session: &Session, options: DrainOptions) -> Result<Self, DalError> {
        let uid = session.database_uid().await?;
        Ok(Self { uid, location: session.database().location(), options })
    }

    /// Returns the database that a segment with this header belongs to.
    pub(super) fn owner(&self, header: &Header) -> SegmentOwner {
        let (Some(here), Some(there)) = (&self.location, &header.location) else {
            // A location is unknown in segments of an older MER, and for a database in memory.
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
            // Written for this very database before it was given another uid.
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
