//! Looks for the resident, and at its socket and lock.

use mer_client::{ClientError, Location, LocationError, steer, wire::VersionMessage};

use super::Finding;
use crate::app::App;

const CHECK: &str = "resident";

/// Checks the folder of the socket, and the resident if there is one. No answer has a bound of a few seconds.
pub(super) async fn look(app: &App) -> Finding {
    let Some(location) = app.engine.location() else {
        return Finding::ok(CHECK, "none: no other process can open this database");
    };
    match location.check_usable() {
        Ok(()) => {}
        Err(error @ LocationError::Distrusted { .. }) => {
            let remedy = "give it to this user with mode 0700, or remove it; until then every run goes on alone";
            return Finding::warning(CHECK, error.to_string(), remedy);
        }
        Err(error) => {
            let why = std::error::Error::source(&error).map_or_else(String::new, |why| format!(": {why}"));
            let remedy = "let this user write there, or set another `runtimeDir`; until then every run goes on alone";
            return Finding::warning(CHECK, format!("{error}{why}"), remedy);
        }
    }
    let socket = location.socket();
    let shown = socket.display();
    match steer::version(location).await {
        Ok(resident) => running(&resident, &shown.to_string(), env!("CARGO_PKG_VERSION")),
        Err(ClientError::NoResident) => absent(location),
        Err(error @ ClientError::OtherUser { .. }) => {
            Finding::warning(CHECK, error.to_string(), format!("remove `{shown}`, and look how it came there"))
        }
        Err(error) => {
            let detail = format!("the process behind `{shown}` gives no answer: {error}");
            Finding::warning(CHECK, detail, "end that process (`mer serve`); until then every run goes on alone")
        }
    }
}

fn running(resident: &VersionMessage, socket: &str, own: &str) -> Finding {
    let VersionMessage { mer_version, pid, leaving } = resident;
    let detail = format!("process {pid}, version {mer_version}, at `{socket}`");
    if mer_version != own {
        let detail = format!("{detail}; this is version {own}, which does not use it");
        return Finding::warning(
            CHECK,
            detail,
            "`mer run` asks it to end once it is idle; `mer stop --all` hastens that",
        );
    }
    let about = if *leaving { "; it ends once it is idle" } else { "" };
    Finding::ok(CHECK, format!("{detail}{about}"))
}

/// Nothing answers. A lock that is held all the same belongs to a process that does not listen any more.
fn absent(location: &Location) -> Finding {
    let (socket, lock) = (location.socket(), location.lock());
    let held = lock.exists()
        && mer_files::open_lock_file(&lock).and_then(|file| mer_files::try_lock(&file)).is_ok_and(|free| !free);
    if held {
        let detail = format!("nothing answers at `{}`, and its lock is held", socket.display());
        let remedy =
            format!("a resident begins or ends; if this stays so, `fuser {}` names the process", lock.display());
        return Finding::warning(CHECK, detail, remedy);
    }
    let stale =
        if socket.symlink_metadata().is_ok() { "is stale, and replaced by the next one" } else { "would be used" };
    Finding::ok(CHECK, format!("none is running; the socket `{}` {stale}", socket.display()))
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_resident_of_another_version_is_found() {
        let resident = |leaving| VersionMessage { mer_version: "0.1.0".to_owned(), pid: 7, leaving };
        let found = running(&resident(false), "/s", "0.1.0");
        assert_eq!((found.result, found.detail.as_str()), (Verdict::Ok, "process 7, version 0.1.0, at `/s`"));
        assert!(running(&resident(true), "/s", "0.1.0").detail.ends_with("; it ends once it is idle"));
        let found = running(&resident(false), "/s", "0.2.0");
        assert_eq!(found.result, Verdict::Warning);
        assert!(found.detail.contains("this is version 0.2.0"), "{}", found.detail);
    }
}
