//! The scripts that run on another machine. They need POSIX sh and the usual programs.
//!
//! A file is accepted if it has the right hash, or if it has not been changed since it was hashed. A record beside the folder
//! identifies the file that was hashed: inode, length and times, as `stat` prints them. POSIX has no `stat`, so the options of
//! GNU and busybox are tried first, then those of the BSDs and macOS. Without `stat` the file is hashed each time. Without a
//! program for hashes only the length is compared.
//!
//! [`mer_meal::OWN_CHECK`] comes before each of them.
//!
//! Arguments: 1 the folder (empty for the user's cache folder), 2 the name of the file, 3 its size in bytes, 4 the maximum size
//! of all files in bytes, 5 a unique word for temporary names. The answer is one line.

/// Answer: the file is there, at the path that follows.
pub(super) const STORED: &str = "=kept ";
/// Answer: the file is not there.
pub(super) const MISSING: &str = "=none";
/// Answer: the bytes that arrived differ from those that were sent; or the file there had another hash, and was removed.
pub(super) const DIFFERS: &str = "=differs";
/// Answer: there is a file, and it has to be hashed.
pub(super) const UNVERIFIED: &str = "=doubt";

/// The beginning of every script. It sets
///
/// - `$f`, `$d`: the file and its folder; `$r`, `$v`: its record and the folder of records;
/// - `size FILE`: prints the size of a file;
/// - `stamp FILE`: prints what identifies the file and its state;
/// - `digest FILE`: prints its sha256, or `none` without a program for it;
/// - `young STAMP`: whether the file may still be changed without changing its stamp. If times have whole seconds only, that
///   is so for some seconds;
/// - `note STAMP`: writes the record.
macro_rules! prelude {
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

/// Looks for the file without reading it, and marks it as used now.
pub(super) const LOOK: &str = concat!(
    prelude!(),
    r#"[ -f "$f" ] && [ "$(size "$f")" = "$3" ] || { echo '=none'; exit 0; }
mer_closed "$d/." || exit 1
mer_own "$f" || { echo '=doubt'; exit 0; }
if s=$(stamp "$f"); then
    [ -f "$r" ] && mer_own "$r" && [ "$s" = "$(cat "$r")" ] || { echo '=doubt'; exit 0; }
elif [ "$(digest /dev/null)" != none ]; then echo '=doubt'; exit 0
fi
touch -c "$r" 2>/dev/null
echo "=kept $f"
"#
);

/// Hashes the file, and removes it if the hash is not the right one.
pub(super) const CHECK: &str = concat!(
    prelude!(),
    r#"umask 077
[ -f "$f" ] && [ "$(size "$f")" = "$3" ] || { echo '=none'; exit 0; }
case $(ls -ld "$f") in -r--------*) ;; *) chmod 400 "$f" 2>/dev/null ;; esac
mer_own "$f" || { rm -f "$f" "$r"; echo '=differs'; exit 0; }
s=$(stamp "$f")
h=$(digest "$f") || exit 1
case $h in "${2%%.*}"*) ;; *) rm -f "$f" "$r"; echo '=differs'; exit 0 ;; esac
young "$s" || note "$s" 2>/dev/null
echo "=kept $f"
"#
);

/// Reads the file from standard input. It appears complete and with the right hash, or not at all.
///
/// Then removes the least recently used files until the rest fits into the maximum size, and partial files; but no file that
/// was used within the last hour. The modification time of a record is the time when its file was last used.
pub(super) const KEEP: &str = concat!(
    prelude!(),
    r#"umask 077
mkdir -p "$d" || exit 1
mer_closed "$d/." || exit 1
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
