//! The parts of the scripts for jobs that may be put back into the queue, and run again. Each of their attempts has a folder of
//! its own, whose name ends with its number.
//!
//! | file | contains |
//! |---|---|
//! | `left` | how many attempts may follow |
//! | `first` | the folder of the first attempt, which has `input`, `env.kept` and `slurm`; missing in that folder itself |
//! | `env.kept` | environment and command; removed, like the input, as soon as no attempt can follow |
//! | `restarts` | how often Slurm had put the job back when the attempt began |
//! | `requeued` | why the attempt was cut, its seconds, and its job; what runs from then on is the next attempt |

/// Functions of the supervisor, and of the scripts that look at runs. The first one to see that an attempt was cut notes that in its
/// folder, and makes the folder of the next attempt. Several may do so at once, because all of them write the same.
///
/// `mer_said DIR` sets `mer_w` to the reason that Slurm has given for the end of an attempt, or to nothing. `mer_done DIR` says
/// whether an attempt has ended by itself: not if Slurm told it to end, or may have (`mer_may_follow STATUS WHY`). `mer_cut DIR JOB` notes that it was cut. `mer_next DIR` makes the folder of the next
/// attempt, `mer_n`; a word to stop is passed on.
pub(super) const REQUEUE: &str = r#"mer_put() { printf '%s\n' "$2" >"$1.$$" && mv "$1.$$" "$1"; }
mer_said() {
    mer_w= mer_i= mer_f=$1
    { read -r mer_f <"$1/first"; } 2>/dev/null
    { while IFS= read -r mer_l; do
        case $mer_l in
        "attempt ${1##*/}") mer_i=1 ;;
        'attempt '*) [ -z "$mer_i" ] || break ;;
        *' DUE TO TIME LIMIT '*) mer_w=TIMEOUT ;;
        *' DUE TO PREEMPTION '*) mer_w=PREEMPTED ;;
        *' DUE TO JOB REQUEUE '*) mer_w=REQUEUED ;;
        *' DUE TO NODE FAILURE'*) mer_w=NODE_FAIL ;;
        *'*** JOB '*' CANCELLED AT '*) mer_w=CANCELLED ;;
        esac
        [ -n "$mer_i" ] || mer_w=
    done <"$mer_f/slurm"; } 2>/dev/null
}
mer_may_follow() { [ "$2" = cut ] || { [ "$2" = - ] && [ "$1" -gt 128 ]; }; }
mer_done() {
    if { read -r mer_o mer_l mer_l mer_l mer_w mer_l <"$1/end"; } 2>/dev/null; then
        [ "$mer_w" != cut ] && { [ ! -e "$1/cut" ] || ! mer_may_follow "$mer_o" "$mer_w"; }
        return
    fi
    for mer_l in "$1"/end.[0-9]*; do
        [ -e "$mer_l" ] && return
    done
    return 1
}
mer_cut() {
    [ -e "$1/requeued" ] && return
    mer_said "$1"
    case $mer_w in
    PREEMPTED | NODE_FAIL | REQUEUED) ;;
    # A node that fails says nothing, and tells no process to end.
    *) mer_w=NODE_FAIL; [ ! -e "$1/cut" ] || mer_w=REQUEUED ;;
    esac
    mer_o=-
    { read -r mer_o mer_l <"$1/heartbeat"; } 2>/dev/null
    { read -r mer_l mer_l mer_o mer_l <"$1/end"; } 2>/dev/null
    (umask 077; mer_put "$1/requeued" "$mer_w ${mer_o:--} $2")
}
mer_next() {
    mer_n=${1%-*}-$((${1##*-} + 1))
    [ -e "$mer_n/submitted" ] || (
        umask 077
        mer_f=$1 mer_i=0 mer_o=
        { read -r mer_f <"$1/first"; } 2>/dev/null
        { read -r mer_i <"$1/left"; } 2>/dev/null
        # It waits in the queue from the end of the attempt before.
        { read -r mer_l mer_o mer_l <"$1/end"; } 2>/dev/null
        case $mer_o in '' | *[!0-9]*) mer_o=$(date -r "$1/heartbeat" +%s 2>/dev/null) || mer_o=$(date +%s) ;; esac
        mkdir -p "$mer_n/artefacts" && mer_put "$mer_n/first" "$mer_f" && mer_put "$mer_n/left" $((mer_i - 1)) || exit
        for mer_l in about job queueBound; do
            [ ! -e "$1/$mer_l" ] || { cp "$1/$mer_l" "$mer_n/$mer_l.$$" && mv "$mer_n/$mer_l.$$" "$mer_n/$mer_l"; } || exit
        done
        printf '%0400d\n' 0 >"$mer_n/end.new" && true >>"$mer_n/stdout" && true >>"$mer_n/stderr" &&
            mer_put "$mer_n/submitted" "$mer_o"
    ) || return
    [ ! -e "$1/stop" ] || true >"$mer_n/stop"
}
"#;

/// `mer_place` sets `d` to the folder of the attempt that begins now, and `over` if it is not to begin. Ends the supervisor if no
/// attempt may follow, or if the run is over: Slurm starts jobs again that have ended too.
pub(super) const PLACE: &str = r#"mer_place() {
    while [ -e "$d/pid" ] || [ -e "$d/requeued" ]; do
        if [ ! -e "$d/requeued" ]; then
            [ -e "$d/left" ] && [ ! -e "$d/collected" ] && ! mer_done "$d" || exit
            for mer_l in maxRunTime stop; do
                [ -e "$d/$mer_l" ] && { over=$mer_l; return; }
            done
            mer_cut "$d" "$SLURM_JOB_ID"
        fi
        mer_i=0
        { read -r mer_i <"$d/left"; } 2>/dev/null
        [ "$mer_i" -gt 0 ] && mer_next "$d" || { rm -f "$f/input" "$f/env.kept"; exit; }
        d=$mer_n
    done
    echo "attempt ${d##*/}" >&2
    { read -r left <"$d/left"; } 2>/dev/null
    [ -n "$left" ] || return
    mer_put "$d/restarts" "${SLURM_RESTART_COUNT:-0}" && (umask 077; cp "$f/env.kept" "$d/env") || exit 1
    # Slurm need not put it back again.
    [ "$left" -gt 0 ] || { scontrol update "JobId=$SLURM_JOB_ID" Requeue=0 </dev/null >/dev/null 2>&1 & }
    [ ! -e "$d/stop" ] || over=stop
}
"#;

/// `was_put_back` says whether Slurm has put the job back since the attempt in `$d` began, by the queue that `job_state` has read.
/// `put_back` sets `r` for such an attempt, and `look_again` for one of which that is known.
pub(super) const LOOK_AT_REQUEUED: &str = r#"was_put_back() {
    [ -e "$d/left" ] && [ -e "$d/pid" ] && [ -n "$c" ] && [ "$w" != COMPLETING ] || return
    { read -r mer_o <"$d/restarts"; } 2>/dev/null && [ "$c" -gt "$mer_o" ]
}
put_back() {
    for mer_w in maxRunTime stop; do
        [ -e "$d/$mer_w" ] && { scancel -Q --state=PENDING "$j"; r="end - - - - $mer_w ."; return; }
    done
    r="runs -"
    mer_cut "$d" "$j" && look_again
}
look_again() {
    left=0
    { read -r mer_w mer_o j <"$d/requeued"; read -r left <"$d/left"; } 2>/dev/null
    r="job $mer_w $j"
    if [ "$left" -gt 0 ] && mer_next "$d"; then r="again $mer_w $j $mer_o $mer_n"
    else scancel -Q --state=PENDING "$j"; fi 2>/dev/null
}
"#;
