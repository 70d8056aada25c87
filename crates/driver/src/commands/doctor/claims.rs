//! Looks at the claims of units in a shared database.

use mer_dal::{DalError, UnitClaim};

use super::Finding;
use crate::ui::counted;

const CHECK: &str = "claims";

/// Returns a finding if there are claims, or if they cannot be read.
pub(super) fn found(claims: Result<Vec<UnitClaim>, DalError>) -> Option<Finding> {
    let claims = match claims {
        Ok(claims) if claims.is_empty() => return None,
        Ok(claims) => claims,
        Err(error) => {
            return Some(Finding::error(CHECK, &error.into(), "docs/reference/database-rights.md has the rights"));
        }
    };
    let (void, valid): (Vec<_>, Vec<_>) = claims.iter().partition(|claim| claim.is_void);
    let Some(first) = void.first() else {
        return Some(Finding::ok(CHECK, format!("{} of units in use", counted(valid.len() as u64, "claim"))));
    };
    let UnitClaim { unit, owner, valid_until, .. } = first;
    let detail = format!(
        "{} had to be renewed and was not; the first one is of `{}` {} in the pool `{}`, of process {} on {} until {valid_until:.0}",
        counted(void.len() as u64, "claim"),
        unit.resource,
        unit.unit,
        unit.pool,
        owner.pid,
        owner.host,
    );
    let remedy = "the next run that needs the unit takes it over; look whether that process and its model still run";
    Some(Finding::warning(CHECK, detail, remedy))
}

#[cfg(test)]
mod tests {
    use mer_dal::{ClaimOwner, ClaimUnit};

    use super::{super::Verdict, *};

    fn claim(unit: &str, is_void: bool) -> UnitClaim {
        let time = "2026-05-04T12:00:00Z".parse().expect("a time");
        UnitClaim {
            unit: ClaimUnit { pool: "lab".to_owned(), resource: "gpu".to_owned(), unit: unit.to_owned() },
            owner: ClaimOwner {
                uid: uuid::Uuid::nil(),
                host: "desk".to_owned(),
                pid: 7,
                caller: "ada@desk".to_owned(),
                model: "chat".to_owned(),
            },
            taken_at: time,
            valid_until: time,
            is_void,
            wanted_by: None,
        }
    }

    #[test]
    fn claims_that_were_not_renewed_are_found() {
        assert!(found(Ok(Vec::new())).is_none());
        let all_valid = found(Ok(vec![claim("0", false), claim("1", false)])).expect("a finding");
        assert_eq!((all_valid.result, all_valid.detail.as_str()), (Verdict::Ok, "2 claims of units in use"));
        let one_void = found(Ok(vec![claim("0", false), claim("1", true)])).expect("a finding");
        assert_eq!(one_void.result, Verdict::Warning);
        assert!(one_void.detail.contains("1 claim had") && one_void.detail.contains("`gpu` 1 in the pool `lab`"));
    }
}
