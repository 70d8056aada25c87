//! What is said to the other machine: POSIX sh, and what every system has beside it.
//!
//! A file is believed by its hash, or because it is the same file, unchanged, as when its hash was looked at. That a record
//! beside the folder says: inode, length and times, as `stat` prints them. No standard has that program: it is asked in the
//! words of GNU and busybox, then in those of the BSDs and macOS. Where there is none of it, the hash is looked at each time;
//! where there is no program for hashes either, the length has to do.
//!
//! Arguments: 1 the folder (nothing: that of caches), 2 the file's name, 3 how many bytes, 4 how much room there is for
//! all, 5 a word that nobody else has. The answer is one line.

/// The answer: it is there, and this is its path.
pub(super) const KEPT: &str = "=kept ";
/// It is not there.
pub(super) const NONE: &str = "=none";
/// What came is not what was sent; or what lay there was not what it is called, and is gone.
pub(super) const DIFFERS: &str = "=differs";
/// Something lies there, and only its hash can tell whether it is that.
pub(super) const DOUBT: &str = "=doubt";

/// Where it is (`$f` in `$d`), its record (`$r` in `$v`), how large a file is (`size`), whether only this user and root can
/// write to it (`own`; a folder may be sticky, and the weights' must be so: `closed`), which one and since when (`stamp`), its
/// hash (`digest`; `none` without a program for it), and writing its record (`note STAMP`). Times in whole seconds do not
/// tell a file from the same one changed within that second: then there is no record before some seconds have passed.
macro_rules! places {
    () => {
        r#"set -f
case $1 in
'') c=${XDG_CACHE_HOME:-}
    case $c in /*) ;; *) c=$HOME/.cache ;; esac
    d=$c/mer/weights ;;
'~') d=$HOME/weights ;;
'~/'*) d=$HOME/${1#??}/weights ;;
*) d=$1/weights ;;
esac
case $d in /*) ;; *) d=$(pwd)/$d ;; esac
f=$d/$2
v=${d%/*}/verified
r=$v/$2.sh
size() { l=$(ls -ldn "$1" 2>/dev/null) && set -- $l && echo "$5"; }
own() {
    l=$(ls -ldn "$1" 2>/dev/null) && set -- $l || return 1
    case $1 in d???????w[!tT]*|[!d]???????w*|-????w*) return 1 ;; esac
    [ "$3" = 0 ] || [ "$3" = "$(id -u)" ]
}
closed() {
    own "$d/." || { echo "$d is not used: it belongs to another user, or every user may write to it" >&2; exit 1; }
}
stamp() {
    TZ=UTC0 stat -c '%i %s %y %z' "$1" 2>/dev/null || stat -f '%i %z %Fm %Fc' "$1" 2>/dev/null
}
digest() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"
    elif command -v shasum >/dev/null 2>&1; then shasum -a 256 <"$1"
    elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r <"$1"
    else echo none
    fi
}
young() {
    case $1 in *.*) case ${1##*.} in 000000000*) ;; *) return 1 ;; esac ;; esac
    z=$(stat -c %Z "$f" 2>/dev/null || stat -f %c "$f" 2>/dev/null) || return 0
    ! [ "$(date +%s)" -gt "$((z + 2))" ]
}
note() {
    [ -n "$1" ] && [ "$1" = "$(stamp "$f")" ] || return 0
    mkdir -p "$v" 2>/dev/null && echo "$1" >"$v/.$u" && mv -f "$v/.$u" "$r"
}
u=${2%%.*}.$5
"#
    };
}

/// Looks whether it is there, without reading it. Then it was used now.
pub(super) const LOOK: &str = concat!(
    places!(),
    r#"[ -f "$f" ] && [ "$(size "$f")" = "$3" ] || { echo '=none'; exit 0; }
closed
own "$f" || { echo '=doubt'; exit 0; }
if s=$(stamp "$f"); then
    [ -f "$r" ] && own "$r" && [ "$s" = "$(cat "$r")" ] || { echo '=doubt'; exit 0; }
elif [ "$(digest /dev/null)" != none ]; then echo '=doubt'; exit 0
fi
touch -c "$r" 2>/dev/null
echo "=kept $f"
"#
);

/// Looks at the hash of what lies there. What is not what it is called goes.
pub(super) const CHECK: &str = concat!(
    places!(),
    r#"umask 077
[ -f "$f" ] && [ "$(size "$f")" = "$3" ] || { echo '=none'; exit 0; }
case $(ls -ld "$f") in -r--------*) ;; *) chmod 400 "$f" 2>/dev/null ;; esac
own "$f" || { rm -f "$f" "$r"; echo '=differs'; exit 0; }
s=$(stamp "$f")
h=$(digest "$f") || exit 1
case $h in "${2%%.*}"*) ;; *) rm -f "$f" "$r"; echo '=differs'; exit 0 ;; esac
young "$s" || note "$s" 2>/dev/null
echo "=kept $f"
"#
);

/// Takes it from standard input. It appears whole, checked by its hash where there is a program for that, or not at all.
/// Then what was used longest ago goes, as far as there is more than there should be, and what others left half way; but
/// nothing that was used within the hour. A record's own time says when its file was used.
pub(super) const KEEP: &str = concat!(
    places!(),
    r#"umask 077
mkdir -p "$d" || exit 1
closed
t=$d/.$u
trap 'rm -f "$t"' 0
trap 'exit 1' 1 2 13 15
cat >"$t" || exit 1
[ "$(size "$t")" = "$3" ] || { echo '=differs'; exit 0; }
h=$(digest "$t") || exit 1
case $h in none*|"${2%%.*}"*) ;; *) echo '=differs'; exit 0 ;; esac
rm -f "$r"
chmod 400 "$t" && mv -f "$t" "$f" || exit 1
s=$(stamp "$f")
case $h in none*) ;; *) ! young "$s" ;; esac && note "$s" 2>/dev/null
echo "=kept $f"
cd "$d" || exit 0
{ ls -At "$v" 2>/dev/null; echo =; ls -At 2>/dev/null; } | {
    n=0 seen=' ' w=$v
    while IFS= read -r e; do
        [ "$e" = = ] && { w=.; continue; }
        k=${e%.sh}; h=${k#.}; h=${h%%.*}
        [ ${#h} -eq 64 ] || continue
        case $h in *[!0-9a-f]*) continue ;; esac
        case $seen in *" $k "*) continue ;; esac
        old=$(find "$w/$e" -mmin +60 2>/dev/null)
        s=$(size "$k") || { [ -n "$old" ] && rm -f "$w/$e"; continue; }
        seen="$seen$k "
        n=$((n + s))
        case $k in .*) ;; *) [ "$n" -gt "$4" ] || continue ;; esac
        [ -n "$old" ] && rm -f "$k" "$v/$k" "$v/$k.sh" && n=$((n - s))
    done
}
exit 0
"#
);
