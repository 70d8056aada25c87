//! Scripts that look at detached runs, steer them and bring what they left. The functions of `COMMON` stand before those that need them.

use super::{
    job_scripts::{LOOK_AT_JOB, SIGNAL_JOB},
    requeue_scripts::{LOOK_AT_REQUEUED, REQUEUE},
    supervisor::{COMMON, KEEPS},
};

/// Reads a line for each run: pid, start time, boot id and machine of its supervisor as far as they are known, else `-`, and
/// its folder; a folder that is not known is `=`, the name of the run, `/`, and the folder that its server has for MER. Prints `=h`, boot id and name of this machine, and then a line for each run, which [`super::observations`]
/// reads; before it, after `>`, the folder if it was not known. Ends the model of a run whose supervisor was killed.
const LOOK_AT: &str = r#"mer_b; h=$(uname -n)
over() {
    { IFS= read -r e <"$d/end"; } 2>/dev/null && case $e in *' .') r="end $e"; return 0 ;; esac
    for f in "$d"/end.[0-9]*; do
        [ -e "$f" ] && { r="end ${f##*/end.} - - full - ."; return 0; }
    done
    return 1
}
look() {
    [ -d "$d" ] && [ ! -O "$d" ] && { r=foreign; return; }
    [ -e "$d/requeued" ] && { look_again; return; }
    if over; then
        [ -e "$d/cut" ] || return
        if [ -e "$d/left" ]; then mer_done "$d" || look_at_cut
        else case $r in *' stop .' | *' maxRunTime .') ;; *) look_at_cut ;; esac; fi
        return
    fi
    [ -e "$d/submitted" ] && { look_at_job; return; }
    if [ -r "$d/pid" ]; then read -r p s o g <"$d/pid"
    elif [ -d "$d" ] && [ "$p" = - ]; then
        { read -r p s o <"$d/launcher"; } 2>/dev/null && [ "$o" = "$mer_boot" ] && mer_a "$p" "$s" && { r=starting; return; }
        p=-; [ -r "$d/pid" ] && { look; return; }
        r=unstarted; return
    fi
    [ "$p" = - ] && { r=missing; return; }
    [ "$g" != - ] && [ "$g" != "$h" ] && { r="elsewhere $g"; return; }
    [ "$o" != "$mer_boot" ] && { r=rebooted; return; }
    n=- k=
    { read -r n k l <"$d/heartbeat"; } 2>/dev/null
    mer_a "$p" "$s" && { r="runs ${n:--}"; return; }
    [ -n "$k" ] && mer_a "$k" "$l" && { r="runs ${n:--}"; return; }
    over && return
    { read -r q u <"$d/model"; } 2>/dev/null && mer_a "$q" "$u" && kill -KILL "-$q" 2>/dev/null
    r=removed; [ -d "$d" ] && r=killed
}
echo "=h $mer_boot $h"
while IFS=' ' read -r p s o g d; do
    case $d in =*) d=${d#=}; mer_base "${d#*/}"; d=$mer_d/${d%%/*}; echo ">$d" ;; esac
    look
    echo "=$r"
done
"#;

/// `$1` is `TERM` or `KILL`, `$2` the folder. Tells a model to end, and its supervisor to end it after the grace period.
const SIGNAL_TO: &str = r#"[ -d "$2" ] && [ -O "$2" ] || { echo "its folder is not there" >&2; exit 3; }
d=$2
if [ -e "$d/left" ]; then
    next() { n=${d%-*}-$((${d##*-} + 1)); [ -e "$d/requeued" ] && [ -d "$n" ]; }
    while next; do d=$n; done
    mer_done "$d" && exit
    true >"$d/stop"
    # It may have been put back meanwhile.
    while next; do d=$n; true >"$d/stop"; done
elif [ -e "$d/end" ]; then exit
fi
true >"$d/stop"
@JOB@
{ read -r q u <"$d/model"; } 2>/dev/null && mer_a "$q" "$u" && kill "-$1" "-$q" 2>/dev/null
exit 0
"#;

/// `$1` is the folder, `$2` is `1` if the output is to be hashed. Prints the number of bytes of stdout, its sha256 or `-`, and
/// the number of bytes of stderr; then the end of stderr, at most 16 KiB.
pub const HASH: &str = r#"cd "$1" || exit
hash() { { sha256sum <"$1" || shasum -a 256 <"$1" || openssl dgst -sha256 -r <"$1" || echo -; } 2>/dev/null; }
n=$(wc -c <stdout) e=$(wc -c <stderr) h=-
[ "$2" = 1 ] && h=$(hash stdout)
echo "$((n)) ${h%% *} $((e))"
tail -c 16384 stderr
exit 0
"#;

/// `$1` is the folder. Notes that the end of the run is on record, also in the folders of the attempts before it.
pub const MARK_COLLECTED: &str = r#"d=$1 f=
{ read -r f <"$d/first"; } 2>/dev/null
while [ -d "$d" ]; do
    rm -f "$d/input" "$d/env.kept"
    true >"$d/collected"
    [ -n "$f" ] && [ "$d" != "$f" ] || break
    d=${d%-*}-$((${d##*-} - 1))
done
"#;

/// `$1` is the folder. Removes it.
pub const REMOVE: &str = r#"case $1 in */runs/*-*) ;; *) exit 1 ;; esac
find "$1" -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
rm -rf "$1"
"#;

/// `$1` is the folder, `$2` is `stdout` or `stderr`, `$3` the number of last lines to begin with, or nothing for all. Prints
/// the stream as it grows, until the run is over. A stream that became shorter is printed from its beginning: a program that opens
/// `/dev/stdout` anew empties it.
const FOLLOW_STREAM: &str = r#"cd "$1" || exit 3
n=0
size() { s=$(wc -c <"$2") && s=$((s)); }
size "$@" || exit 3
[ -n "$3" ] && { t=$(tail -n "$3" "$2" | wc -c); n=$((s - t)); [ "$n" -lt 0 ] && n=0; }
while :; do
    e=
    for f in end end.[0-9]*; do [ -e "$f" ] && e=1; done
    [ -n "$e" ] || { { read -r p q r <pid; } 2>/dev/null && ! mer_a "$p" "$q" && [ ! -e launcher ] && [ ! -e submitted ] && e=1; }
    [ -e collected ] || [ -e requeued ] && e=1
    size "$@" || exit 3
    [ "$s" -lt "$n" ] && n=0
    if [ "$s" -gt "$n" ]; then
        tail -c "+$((n + 1))" "$2" | head -c "$((s - n))" || exit
        n=$s
    elif [ -n "$e" ]; then exit 0
    else sleep 0.2 2>/dev/null || sleep 1
    fi
done
"#;

/// `$1` is the folder; `$2` is `artefacts` for what is in that folder only. For each file that the run left prints a line with the lengths of its path and of its content in bytes,
/// a line with its path, and its content; at the end a line with two zeros. Files and folders that the run made unreadable are
/// made readable: otherwise they would keep the others from being sent.
pub const SEND_FILES: &str = r#"cd "$1/$2" || exit 3
LC_ALL=C; export LC_ALL
find . -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
find . -type f ! -perm -400 -exec chmod u+r {} + 2>/dev/null
if [ -n "$2" ]; then set -- -name '*'
else set -- \( -path ./stdout -o -path ./stderr -o -path './artefacts/*' -o -path './weights*' \); fi
find . -type f "$@" -exec sh -c '
for f do
    n=$(wc -c <"$f") || exit 1
    n=$((n))
    printf "%s %s\n%s\n" "${#f}" "$n" "$f"
    head -c "$n" "$f" || exit 1
done' sh {} + || exit 1
echo "0 0"
"#;

/// `$1` is the folder that the server has for MER, or nothing for the default. Prints `=d`, what `mer_keeps` says, the number of
/// folders of runs, and the folder that they are in.
const SURVEY_RUNS: &str = r#"mer_base "$1"; mer_keeps
n=0
for f in "$mer_d"/*/about; do [ -e "$f" ] && n=$((n + 1)); done
echo "=d $k $n $mer_d"
"#;

/// Counts the folders of runs.
#[must_use]
pub fn survey_script() -> String {
    format!("{COMMON}{KEEPS}{SURVEY_RUNS}")
}

/// What is kept of detached runs on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsSurvey {
    /// Number of folders, those included whose runs are over and were not fetched.
    pub folders: u64,
    /// The folder that they are in.
    pub base: String,
    /// Whether systemd ends runs with the login session of their user (`KillUserProcesses`).
    pub ends_with_session: bool,
}

/// Reads the answer of [`survey_script`]; none if it is not one.
#[must_use]
pub fn survey(answer: &str) -> Option<RunsSurvey> {
    let mut words = answer.trim_end_matches('\n').strip_prefix("=d ")?.splitn(3, ' ');
    let (keeps, folders, base) = (words.next()?, words.next()?.parse().ok()?, words.next()?.to_owned());
    Some(RunsSurvey { folders, base, ends_with_session: keeps == "killed" })
}

/// Looks at runs.
pub const LOOK: Script = Script(LOOK_AT);
/// Tells a model to end.
pub const SIGNAL: Script = Script(SIGNAL_TO);
/// Prints a stream as it grows.
pub const FOLLOW: Script = Script(FOLLOW_STREAM);

/// A script that needs the functions of `COMMON`.
#[derive(Debug, Clone, Copy)]
pub struct Script(&'static str);

impl Script {
    /// Returns the text for `sh -c`.
    #[must_use]
    pub fn text(self) -> String {
        format!("{COMMON}{REQUEUE}{LOOK_AT_REQUEUED}{LOOK_AT_JOB}{}", self.0.replace("@JOB@", SIGNAL_JOB))
    }
}
