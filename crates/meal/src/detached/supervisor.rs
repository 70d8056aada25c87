//! The supervisor of a detached run, and the script that starts it.

use super::{
    job_scripts::SUBMIT,
    requeue_scripts::{PLACE, REQUEUE},
};
use crate::{base_folder::MAKE_BASE, shell_words::CHECKS};

/// Functions of every script. `mer_base DIR` sets `mer_d` to the folder of all runs, by default or below this one. `mer_t PID` sets `mer_s` to the start time of a process, and to nothing if it has ended;
/// `mer_a PID START` says whether this process lives; `mer_b` sets `mer_boot` to the boot id.
pub(super) const COMMON: &str = r#"mer_base() {
    case $1 in
    '') mer_d=${XDG_STATE_HOME:-}
        case $mer_d in /*) ;; *) mer_d=${HOME:+$HOME/.local/state} ;; esac
        [ -n "$mer_d" ] && mer_d=$mer_d/mer/runs || mer_d=${TMPDIR:-/tmp}/mer-$(id -u)/runs ;;
    '~') mer_d=$HOME/runs ;;
    '~/'*) mer_d=$HOME/${1#??}/runs ;;
    /*) mer_d=$1/runs ;;
    *) mer_d=$PWD/$1/runs ;;
    esac
}
mer_t() {
    mer_s=
    if [ -r /proc/self/stat ]; then
        { IFS= read -r mer_l </proc/$1/stat; } 2>/dev/null || return 1
        set -- ${mer_l##*) }
        case $1 in [ZX]*) return 1 ;; esac
        mer_s=${20}
    else
        mer_s=$(ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _) && [ -n "$mer_s" ]
    fi
}
mer_a() { mer_t "$1" && [ "$mer_s" = "$2" ]; }
mer_b() {
    mer_boot=-
    { read -r mer_boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
        mer_boot=$(sysctl -n kern.boottime 2>/dev/null | tr -s ' ' _)
    mer_boot=${mer_boot:--}
}
"#;

/// Starts a program in a session of its own, which no hangup reaches, and whose group is its own. The shell is no leader of a
/// group here, so that its place is taken without a fork.
const SESSION: &str = r#"mer_session() {
    if command -v setsid >/dev/null 2>&1; then exec setsid "$@"
    else exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$@"; fi
}
"#;

/// `mer_keeps` sets `k` to `killed` where systemd ends what a user has started with the login session, to `scope` where a scope of
/// the user's manager (`$m`) prevents that, and else to `-`. As logind does it, `KillOnlyUsers` goes before `KillUserProcesses`,
/// and root is left out unless `KillExcludeUsers` names others.
pub(super) const KEEPS: &str = r#"mer_keeps() {
    k=- m=user
    [ -d /run/systemd/system ] && grep -q '/session-.*\.scope' /proc/self/cgroup 2>/dev/null || return 0
    u=$(id -un)
    set -- $(busctl --no-pager get-property org.freedesktop.login1 /org/freedesktop/login1 \
        org.freedesktop.login1.Manager KillUserProcesses KillExcludeUsers KillOnlyUsers 2>/dev/null)
    s="$*"; o=${s##* as } x=${s% as *}; x=${x##* as }
    case $s in 'b true'*) k=killed ;; esac
    case $s in *' as '*' as '*)
        case "$o " in '0 ') ;; *" \"$u\" "*) k=killed ;; *) k=- ;; esac
        case "$x " in *" \"$u\" "*) k=- ;; '0 ') [ "$u" = root ] && k=- ;; esac ;;
    esac
    [ $k = killed ] && [ -e "/var/lib/systemd/linger/$u" ] && systemd-run "--$m" --scope -q true 2>/dev/null && k=scope
    return 0
}
"#;

/// `$1` is the folder, `$2` the grace period and `$3` the maximum run time in seconds, or nothing; `$4` is `job` within a job of a
/// cluster, where TERM comes from Slurm. Else it prints one line when the run is in its hands, and closes its standard output.
/// Its reader cannot wait for the end of that: mksh keeps a copy of a descriptor that `exec` replaces.
///
/// The model is a foreground command, because a shell waits for it whatever signals come, and knows its status for certain. A
/// second process counts the time, ends the model when it is told to, and takes over if the supervisor is killed. The status
/// is written into a file that has its place already, and is renamed, which succeeds on a disk that is full too.
const SUPERVISOR: &str = r#"d=$1 g=$2 m=$3 job=$4 f=$1 left= over= h=
unset MER_WATCH
trap : HUP INT QUIT USR1 USR2 PIPE ALRM
trap '[ -z "$job" ] || true >"$d/cut"' TERM
mer_b; mer_t $$; p=$$ t=$mer_s waited=
[ -z "$job" ] || { began=$(date +%s); mer_place; }
[ -z "$job" ] || { read -r waited <"$d/submitted"; } 2>/dev/null
[ -z "$waited" ] || { waited=$((began - waited)); [ "$waited" -ge 0 ] || waited=0; }
end() {
    full=-
    [ "$1" = 0 ] || { echo "is there room" >"$d/probe"; } 2>/dev/null || full=full
    by=-
    for why in cut maxRunTime stop; do [ -e "$d/$why" ] && by=$why; done
    rm -f "$d/probe" "$d/env"
    [ -e "$d/requeued" ] || { [ "${left:-0}" -gt 0 ] && mer_may_follow "$1" "${2:-$by}"; } || rm -f "$f/input" "$f/env.kept"
    now=$(date +%s)
    if { echo "$1 $now $((now - began))${waited:++$waited} $full ${2:-$by} ." 1<>"$d/end.new"; } 2>/dev/null; then mv "$d/end.new" "$d/end"
    else mv "$d/end.new" "$d/end.$1"; fi
}
q=
group() {
    { read -r q u <"$d/model"; } 2>/dev/null
    [ -n "$q" ] && kill -0 "-$q"
} 2>/dev/null
tell() { group && kill "-$1" "-$q"; } 2>/dev/null
{ read -r h </proc/sys/kernel/hostname; } 2>/dev/null || h=$(uname -n)
{ echo "$p $t $mer_boot $h" >"$d/pid.new" && mv "$d/pid.new" "$d/pid"; } || exit 1
[ -n "$job" ] || { echo "$p $t $mer_boot $h"; exec >/dev/null; began=$(date +%s); }
rm -f "$d/launcher"
{ read -r bound <"$d/queueBound"; } 2>/dev/null && [ "${waited:-0}" -gt "$bound" ] && true >"$d/late"
[ -e "$d/late" ] && { end 124 queueTimeout; exit 124; }
[ -z "$over" ] || { end - "$over"; exit; }
export MER_RUN_DIR="$d/artefacts"
(
    trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM
    k=$(exec sh -c 'echo $PPID'); mer_t "$k"; k="$k $mer_s"
    n=0 told=
    echo "$n $k" >"$d/heartbeat"
    find "${d%/*}" -mindepth 2 -maxdepth 2 \( -name collected -mtime +7 -o \( -name heartbeat -o -name launcher \) -mtime +60 \) \
        -exec sh -c 'for f do f=${f%/*}; find "$f" -type d ! -perm -700 -exec chmod u+rwx {} \;; rm -rf "$f"; done' sh {} + 2>/dev/null
    while :; do
        w=3
        [ -n "$q" ] || w=1
        [ -n "$m" ] && [ -z "$told" ] && [ $((m - n)) -lt 3 ] && w=$((m - n))
        [ "$w" -lt 1 ] && w=1
        sleep "$w"
        group
        n=$((n + w))
        echo "$n $k" >"$d/heartbeat"
        [ "$d" = "$f" ] || echo "$n $k" >"$f/heartbeat"
        if ! mer_a "$p" "$t"; then
            [ -e "$d/end" ] && exit
            tell TERM
            i=0; while [ $i -lt "$g" ] && group; do sleep 1; i=$((i + 1)); done
            tell KILL
            end - supervisor
            exit
        fi
        if [ -n "$told" ]; then
            [ $((n - told)) -ge "$g" ] && tell KILL
            continue
        fi
        [ -n "$m" ] && [ "$n" -ge "$m" ] && { true >"$d/maxRunTime"; told=$n; }
        { [ -e "$d/stop" ] || [ -e "$d/requeued" ] || [ ! -d "$d" ]; } && told=$n
        [ -n "$told" ] && { tell TERM || told=; }
    done
) 2>/dev/null &
k=$!
( mer_session sh "$d/env" <"$f/input" >>"$d/stdout" 2>>"$d/stderr" )
s=$?
if [ -n "$job" ]; then
    # The model may have ended by the word of Slurm before it came to this process.
    mer_said "$d"
    [ -n "$mer_w" ] || [ "$s" -le 128 ] || { sleep 1; mer_said "$d"; }
    [ -z "$mer_w" ] || true >"$d/cut"
fi
tell KILL
end "$s"
kill -KILL "$k"
# Slurm may take the end of what has gone on without it for the end of the attempt that follows.
while [ -e "$d/requeued" ] && [ ! -e "$f/collected" ]; do sleep 5; done
"#;

/// The beginning of the file that becomes the model.
const ENV_HEAD: &str = r#"rm -f "$0"
@COMMON@
mer_d=${0%/*}
mer_t $$; echo "$$ $mer_s" >"$mer_d/model"
@CHECKS@
mer_x() {
    [ -z "${MER_ATTEMPT:-}" ] || { MER_ATTEMPT=${mer_d##*-}; export MER_ATTEMPT; }
    exec "$@"
}"#;

/// `$1` is the folder of all runs, or nothing for the default; `$2` the name of this run, `$3` the grace period and `$4` the
/// maximum run time in seconds, or nothing; `$5` is what the run is, and `$6` the supervisor. On a cluster, `$7` is how many seconds
/// its job may wait in the queue, or nothing, `$8` how many further attempts there may be if Slurm puts it back there, and what
/// follows is the call of `sbatch`. Reads the command of the run, one line, then its input, and [`end_of_input`], without which a
/// connection that is cut would start the run with a part of its input.
///
/// Prints `=ok`, the supervisor's pid, start time, boot id and machine, or `=job`, the number of the job and this machine; then
/// the folder. Prints another word if the command cannot be started, and `=refused` if `sbatch` took no job.
///
/// Closes the low descriptors first: the run would hold what they stand for. Whatever the shell can do itself is done without a
/// process, because that is what the start of a run waits for.
const LAUNCH: &str = r#"umask 077
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
IFS= read -r l || { echo "the command did not arrive" >&2; exit 1; }
mer_base "$1"; b=$mer_d n=$2 g=$3 m=$4
command -v setsid >/dev/null 2>&1 || command -v perl >/dev/null 2>&1 || {
    echo "neither \`setsid\` nor \`perl\` is there to put it into a session of its own" >&2; exit 1; }
mer_p() { printf '%s\n' "$1"; }
case ${KSH_VERSION:-} in ?*) mer_p() { print -r -- "$1"; } ;; esac
mer_x() { exit 0; }
[ $# -gt 8 ] || (eval "$l") || exit
[ $# -le 8 ] || command -v "$9" >/dev/null 2>&1 || { echo "=refused"; echo "mer: no $9" >&2; exit 1; }
mer_make "$b" || exit 1
d=$b/$2
fail() { [ -e "$d/submitted" ] && scancel -Q --name="mer-$n"; rm -rf "$d"; exit 1; }
trap 'fail' HUP INT TERM
mkdir "$d" "$d/artefacts" || { rmdir "$d" 2>/dev/null; exit 1; }
mer_whole() {
    w="mer-end $n"
    [ "$(tail -c $((${#w} + 1)) "$d/input")" = "$w" ] || return
    dd if=/dev/null of="$d/input" bs=1 seek=$(($(wc -c <"$d/input") - ${#w} - 1)) 2>/dev/null
} 2>/dev/null
mer_b; mer_t $$
echo "$$ $mer_s $mer_boot" >"$d/launcher" || fail
printf '%0400d\n' 0 >"$d/end.new" || fail
{ mer_p @ENV_HEAD@; mer_p "$l"; } >"$d/env" || fail
mer_p "$5" >"$d/about" || fail
true >"$d/stdout" && true >"$d/stderr" || fail
cat >"$d/input" || fail
mer_whole || { echo "its input did not arrive to the end" >&2; fail; }
if [ $# -gt 8 ]; then
    mer_p "$6" >"$d/supervisor" || fail
    w=$7 left=$8
    shift 8
    mer_submit "$@"
    trap - HUP INT TERM
    echo "=job $j $(uname -n)"
    echo "$d"
    exit
fi
mer_keeps
{ ( if [ $k = scope ]; then exec systemd-run "--$m" --scope -q setsid sh -c "$6" mer "$d" "$3" "$4"
    else mer_session sh -c "$6" mer "$d" "$3" "$4"; fi ) 2>/dev/null </dev/null & } | {
    IFS= read -r a
    [ -n "$a" ] || { echo "its supervisor could not be started" >&2; exit 1; }
    echo "=ok $k $a"
    echo "$d"
} || fail
"#;

/// Returns the script that stores a run and starts its supervisor, and the supervisor as its last argument. Both are the same
/// for all runs.
#[must_use]
pub fn launch_script() -> (String, String) {
    let head = ENV_HEAD.replace("@COMMON@", COMMON).replace("@CHECKS@", CHECKS);
    let launch = LAUNCH.replace("@ENV_HEAD@", &format!("'{}'", head.replace('\'', r"'\''")));
    (
        format!("{COMMON}{SESSION}{KEEPS}{MAKE_BASE}{CHECKS}\n{SUBMIT}{launch}"),
        format!("{COMMON}{SESSION}{REQUEUE}{PLACE}{SUPERVISOR}"),
    )
}

/// Returns the line that follows the input of a run with this name.
#[must_use]
pub fn end_of_input(name: &str) -> String {
    format!("mer-end {name}\n")
}

/// A run that was launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// Process id of the supervisor.
    pub pid: u32,
    /// Start time of that process.
    pub start_time: String,
    /// Boot of its machine; none where that is not known.
    pub boot_id: Option<String>,
    /// Name of its machine.
    pub host: String,
    /// The folder of the run.
    pub folder: String,
    /// Number of its job, on a cluster.
    pub job_id: Option<String>,
    /// Whether systemd ends it with the login session (`KillUserProcesses`).
    pub ends_with_session: bool,
}

/// Reads the answer of the launch script; none if it is not one of a run that was started.
#[must_use]
pub fn launched(answer: &str) -> Option<Launched> {
    let (first, folder) = answer.trim_end_matches('\n').split_once('\n')?;
    if let Some(job) = first.strip_prefix("=job ") {
        let (id, host) = job.split_once(' ')?;
        // The supervisor starts within the job.
        return Some(Launched {
            pid: 0,
            start_time: String::new(),
            boot_id: None,
            host: host.to_owned(),
            folder: folder.to_owned(),
            job_id: Some(id.to_owned()),
            ends_with_session: false,
        });
    }
    let mut words = first.strip_prefix("=ok ")?.split(' ');
    let (keeps, pid, start_time) = (words.next()?, words.next()?.parse().ok()?, words.next()?.to_owned());
    let (boot_id, host) = (words.next()?, words.next()?.to_owned());
    let boot_id = Some(boot_id).filter(|boot| *boot != "-").map(str::to_owned);
    let folder = folder.to_owned();
    Some(Launched { pid, start_time, boot_id, host, folder, job_id: None, ends_with_session: keeps == "killed" })
}
