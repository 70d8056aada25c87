//! What is said to the other machine: POSIX sh, and what every system has beside it.
//!
//! Arguments: 1 the folder (nothing: that of caches), 2 the file's name, 3 how many bytes, 4 how much room there is for
//! all, 5 a word that nobody else has. The answer is one line.

/// The answer: it is there, and this is its path.
pub(super) const KEPT: &str = "=kept ";
/// It is not there.
pub(super) const NONE: &str = "=none";
/// What came is not what was sent.
pub(super) const DIFFERS: &str = "=differs";

/// Where it is, and how large a file is: `$d`, `$f`, `size`.
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
size() { l=$(ls -ldn "$1" 2>/dev/null) && set -- $l && echo "$5"; }
"#
    };
}

/// Looks whether it is there. Then it was used now.
pub(super) const LOOK: &str = concat!(
    places!(),
    r#"[ -f "$f" ] && [ "$(size "$f")" = "$3" ] || { echo '=none'; exit 0; }
touch -c "$f" 2>/dev/null
echo "=kept $f"
"#
);

/// Takes it from standard input. It appears whole, checked by its hash where there is a program for that, or not at all.
/// Then what was used longest ago goes, as far as there is more than there should be, and what others left half way; but
/// nothing that was used within the hour.
pub(super) const KEEP: &str = concat!(
    places!(),
    r#"umask 077
mkdir -p "$d" || exit 1
t=$d/.${2%%.*}.$5
trap 'rm -f "$t"' 0
trap 'exit 1' 1 2 13 15
cat >"$t" || exit 1
[ "$(size "$t")" = "$3" ] || { echo '=differs'; exit 0; }
if command -v sha256sum >/dev/null 2>&1; then h=$(sha256sum <"$t")
elif command -v shasum >/dev/null 2>&1; then h=$(shasum -a 256 <"$t")
elif command -v openssl >/dev/null 2>&1; then h=$(openssl dgst -sha256 -r <"$t")
else h=${2%%.*}
fi || exit 1
case $h in "${2%%.*}"*) ;; *) echo '=differs'; exit 0 ;; esac
chmod 400 "$t" && mv -f "$t" "$f" || exit 1
echo "=kept $f"
cd "$d" || exit 0
n=0
ls -At 2>/dev/null | while IFS= read -r e; do
    h=${e#.}; h=${h%%.*}
    [ ${#h} -eq 64 ] || continue
    case $h in *[!0-9a-f]*) continue ;; esac
    s=$(size "$e") || continue
    n=$((n + s))
    case $e in .*) ;; *) [ "$n" -gt "$4" ] || continue ;; esac
    [ -n "$(find "$e" -mmin +60 2>/dev/null)" ] && rm -f "$e" && n=$((n - s))
done
exit 0
"#
);
