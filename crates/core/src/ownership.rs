//! Decides whether a file or folder is trusted, by its owner and the other users that may write to it.

use std::fmt;

/// Mode bits.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Owner and mode of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// User id of the owner.
    pub user: u32,
    /// Group id.
    pub group: u32,
    /// Mode, of which permissions and sticky bit are used.
    pub mode: u32,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Why a file or folder is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// It belongs to another user than root and the user of this process. Holds the user id.
    Owner(u32),
    /// A group with other members may write to it. Holds the group id.
    Group(u32),
    /// Every user may write to it.
    Everyone,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(f, "it belongs to the user with the number {user}, not to you or root"),
            Self::Group(group) => write!(f, "the group with the number {group} may write to it"),
            Self::Everyone => f.write_str("every user of this machine may write to it"),
        }
    }
}

impl Ownership {
    /// Checks that only `user` and root can have written to this. `is_private` returns whether a group has no other member than
    /// `user`; with a umask of 002 such a group may write to every new file.
    ///
    /// With `sticky`, a folder that every user may write to is accepted if it has the sticky bit: users cannot remove or rename
    /// the files of others there.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub fn check(self, user: u32, is_private: impl FnOnce(u32) -> bool, sticky: bool) -> Result<(), Distrust> {
        if self.user != user && self.user != 0 {
            return Err(Distrust::Owner(self.user));
        }
        if sticky && self.is_folder && self.mode & STICKY != 0 {
            return Ok(());
        }
        if self.mode & OTHERS_WRITE != 0 {
            return Err(Distrust::Everyone);
        }
        if self.mode & GROUP_WRITES != 0 && !is_private(self.group) {
            return Err(Distrust::Group(self.group));
        }
        Ok(())
    }
}

/// Whether a group has no other member than one user, according to the texts of `/etc/passwd` and `/etc/group`.
///
/// Such a group has the name or the number of the user, as on systems where each user has a private group, and no other user
/// is in it. `own` are the groups of this process. Without `/etc/group`, as in an empty container, there are no other users,
/// and every group of this process is private.
#[must_use]
pub fn is_private_group(group: u32, user: u32, own: &[u32], passwd: Option<&str>, groups: Option<&str>) -> bool {
    if group == 0 {
        return true;
    }
    if !own.contains(&group) {
        return false;
    }
    let Some(groups) = groups else { return true };
    let users: Vec<Entry<'_>> = passwd.unwrap_or_default().lines().filter_map(Entry::read).collect();
    let name = users.iter().find(|entry| entry.number == user).map(|entry| entry.name);
    if users.iter().any(|entry| entry.number != user && entry.rest.split(':').next() == Some(&group.to_string())) {
        return false;
    }
    match groups.lines().filter_map(Entry::read).find(|entry| entry.number == group) {
        None => group == user,
        Some(entry) => {
            let mut members = entry.rest.split(',').filter(|member| !member.is_empty());
            (Some(entry.name) == name || group == user) && members.all(|member| Some(member) == name)
        }
    }
}

/// A line of `/etc/passwd` or `/etc/group`: `name:password:number:rest`.
struct Entry<'a> {
    name: &'a str,
    number: u32,
    rest: &'a str,
}

impl<'a> Entry<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(4, ':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { name, number: number.parse().ok()?, rest: fields.next().unwrap_or_default() })
    }
}

/// Returns the name of a user, according to the text of `/etc/passwd`.
#[must_use]
pub fn user_name(user: u32, passwd: &str) -> Option<&str> {
    passwd.lines().filter_map(Entry::read).find(|entry| entry.number == user && !entry.name.is_empty()).map(|e| e.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: u32 = 1000;

    fn of(user: u32, mode: u32, is_folder: bool) -> Ownership {
        Ownership { user, group: 50, mode, is_folder }
    }

    #[test]
    fn only_you_and_root_may_write() {
        let check = |ownership: Ownership| ownership.check(ME, |_| false, true);
        assert_eq!(check(of(ME, 0o100644, false)), Ok(()));
        assert_eq!(check(of(0, 0o100644, false)), Ok(()));
        assert_eq!(check(of(7, 0o100600, false)), Err(Distrust::Owner(7)));
        assert_eq!(check(of(ME, 0o100666, false)), Err(Distrust::Everyone));
        assert_eq!(check(of(0, 0o100664, false)), Err(Distrust::Group(50)));
        assert_eq!(of(ME, 0o100664, false).check(ME, |group| group == 50, false), Ok(()), "a group of one");
        assert_eq!(check(of(0, 0o041777, true)), Ok(()), "like /tmp");
        assert_eq!(of(0, 0o041777, true).check(ME, |_| false, false), Err(Distrust::Everyone));
        assert_eq!(check(of(0, 0o040777, true)), Err(Distrust::Everyone));
        assert_eq!(check(of(7, 0o041777, true)), Err(Distrust::Owner(7)));
        assert_eq!(check(of(ME, 0o101666, false)), Err(Distrust::Everyone), "the bit means nothing on a file");
    }

    #[test]
    fn a_group_of_ones_own_is_nobody_elses() {
        const PASSWD: &str =
            "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/h:/bin/sh\nbob:x:1001:100::/b:/bin/sh\nbroken\n";
        const GROUPS: &str =
            "root:x:0:\nusers:x:100:\nada:x:1000:\nlab:x:200:ada,bob\nalone:x:201:ada\nshared:x:1001:ada\n";
        let own = [1000, 100, 200, 201, 300, 1001];
        let private = |group| is_private_group(group, ME, &own, Some(PASSWD), Some(GROUPS));
        assert!(private(0), "root's");
        assert!(private(1000), "ada's own");
        assert!(!private(100), "that of bob, too");
        assert!(!private(200), "with bob in it");
        assert!(!private(201), "users of a directory may be in it");
        assert!(!private(300), "one of a directory");
        assert!(!private(999), "one that ada is not in");
        assert!(is_private_group(300, 300, &[300], Some(PASSWD), Some(GROUPS)), "a user of a directory, with a group");
        assert!(is_private_group(300, ME, &[300], None, None), "an empty container");
        assert!(!is_private_group(301, ME, &[300], None, None));
    }

    #[test]
    fn a_number_has_the_name_that_the_file_gives_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:100::/h/ada:/bin/sh\n";
        assert_eq!(user_name(1000, passwd), Some("ada"));
        assert_eq!(user_name(0, passwd), Some("root"));
        assert_eq!(user_name(100, passwd), None);
    }
}
