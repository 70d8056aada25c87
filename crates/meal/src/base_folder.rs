//! Checks of folders on another machine, in POSIX shell, for scripts that keep something there.

/// `mer_own FILE` is whether a file belongs to this user or root, and not every user may write to it, except to a sticky folder. A
/// link is not followed. `mer_closed FILE` says on stderr if it is not so; `FILE/.` follows a link to a folder.
macro_rules! own_check {
    () => {
        r#"mer_own() {
    mer_f=$(ls -ldn "$1" 2>/dev/null) && set -- "$1" $mer_f || return 1
    case $2 in d???????w[!tT]*|[!d]???????w*|-????w*) return 1 ;; esac
    [ "$4" = 0 ] || [ -O "$1" ] 2>/dev/null || [ "$4" = "$(id -u)" ]
}
mer_closed() {
    mer_own "$1" || { echo "${1%/.} is not used: it belongs to another user, or every user may write to it" >&2; return 1; }
}
"#
    };
}

/// The functions `mer_own` and `mer_closed`.
pub const OWN_CHECK: &str = own_check!();

/// [`OWN_CHECK`], and `mer_make DIR`, which makes a folder in which MER keeps folders of its own, and checks that no other user can
/// replace what is in it. Without a home it is below a folder of this user where every user may make some.
pub const MAKE_BASE: &str = concat!(
    own_check!(),
    r#"mer_make() {
    [ -d "$1" ] || mkdir -p "$1" || return
    case ${1%/*} in "${TMPDIR:-/tmp}/mer-"*) mer_closed "${1%/*}" || return ;; esac
    mer_closed "$1/."
}
"#
);
