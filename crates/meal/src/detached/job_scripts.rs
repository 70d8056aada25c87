//! The parts of the scripts for runs that are jobs of a cluster. Their supervisor runs within the job, in the same folder, which
//! the nodes share.
//!
//! | file | contains |
//! |---|---|
//! | `submitted` | when the job was handed to Slurm, in seconds since 1970; it is there before |
//! | `queueBound` | how many seconds the job may wait in the queue |
//! | `late` | says that it waited longer, and was taken out of the queue |
//! | `job` | its number |
//! | `supervisor`, `job.sh` | what runs within it |
//! | `slurm` | what Slurm and the supervisor say |
//! | `cut` | says that Slurm has told the job to end |
//!
//! `.queue`, beside the folders of all runs, is what `squeue` said last, for all jobs of the user. It is asked once in 30 s, however
//! many look.

/// `mer_submit WORDS` hands the run in `$d` with the name `$n` to `sbatch`, with these words in front. Sets `j` to the number of the job.
/// `$w` is how many seconds the job may wait in the queue, or nothing, and `$left` how many attempts may follow if Slurm puts it
/// back there.
pub(super) const SUBMIT: &str = r#"mer_submit() {
    cat <<'MER_JOB' >"$d/job.sh" || fail
#!/bin/sh
exec sh "$1/supervisor" "$1" "$2" "$3" job
MER_JOB
    [ -z "$w" ] || echo "$w" >"$d/queueBound" || fail
    again=--no-requeue
    [ "$left" = 0 ] || { again=--requeue; echo "$left" >"$d/left" && mv "$d/env" "$d/env.kept"; } || fail
    date +%s >"$d/submitted" || fail
    j=$("$@" --parsable --job-name="mer-$n" -o "$d/slurm" -e "$d/slurm" --open-mode=append "$again" \
        "$d/job.sh" "$d" "$g" "$m") || { echo "=refused"; fail; }
    j=${j%%;*}
    { echo "$j" >"$d/job.new" && mv "$d/job.new" "$d/job"; } || fail
    rm -f "$d/launcher"
}
"#;

/// `look_at_job` sets `r` for the run in `$d`, which was handed to Slurm; `look_at_cut` for one that Slurm has told to end, and
/// whose end is written. The word of Slurm may have come to the supervisor after that.
pub(super) const LOOK_AT_JOB: &str = r#"mer_q= mer_at=
queue() {
    [ -n "$mer_at" ] && return
    f=${d%/*}/.queue now=$(date +%s) mer_at=0
    { read -r mer_at <"$f"; } 2>/dev/null
    case $mer_at in '' | *[!0-9]*) mer_at=0 ;; esac
    if [ $((now - mer_at)) -ge 30 ] || [ "$mer_at" -gt "$now" ]; then
        mer_q=$(squeue -h -u "$(id -un)" -t all -O 'JobID:20,State:20,RestartCnt:12,Name:80' 2>/dev/null) &&
            mer_q=$(printf '%s\n' "$mer_q" | sed 's/  */ /g; s/ $//') && { printf '%s\n%s\n' "$now" "$mer_q" >"$f.$$" && mv "$f.$$" "$f" && mer_at=$now; } 2>/dev/null
    fi
    mer_q=$(cat "$f" 2>/dev/null)
}
job_state() {
    queue
    j= w= c= e=0
    { read -r j <"$d/job"; } 2>/dev/null
    { read -r e <"$d/submitted"; } 2>/dev/null
    [ -n "$j" ] || j=$(printf '%s\n' "$mer_q" | sed -n "s/^\([0-9]*\) [A-Z_]* [0-9]* mer-${d##*/}\$/\1/p" | head -n 1)
    [ -n "$j" ] && w=$(printf '%s\n' "$mer_q" | sed -n "s/^$j \([A-Z_]* [0-9]*\) .*/\1/p" | head -n 1)
    case $w in *' '*) c=${w#* } w=${w% *} ;; esac
    return 0
}
late() {
    { read -r b <"$d/queueBound"; } 2>/dev/null || return
    [ $(($(date +%s) - e)) -gt "$b" ] || return
    true >"$d/late"
    scancel -Q --state=PENDING "$j"
} 2>/dev/null
look_at_job() {
    if [ ! -e "$d/job" ]; then
        { read -r p s o <"$d/launcher"; } 2>/dev/null && [ "$o" = "$mer_boot" ] && mer_a "$p" "$s" && { r=starting; return; }
    fi
    job_state
    was_put_back && { put_back; return; }
    n=
    { read -r n k <"$d/heartbeat"; } 2>/dev/null
    case $w in
    PENDING | CONFIGURING | RESV_DEL_HOLD | REQUEUED | REQUEUE_HOLD | REQUEUE_FED) r=queued; if [ -n "$n" ]; then r="runs $n"; else late; fi ;;
    RUNNING | COMPLETING | SUSPENDED | STOPPED | SIGNALING | STAGE_OUT | RESIZING) r="runs ${n:--}" ;;
    '')
        r=queued; [ -n "$n" ] && r="runs $n"
        # A queue that was read before the job came to it proves nothing.
        [ "$mer_at" -gt $((e + 10)) ] || return
        over && return
        r="job GONE ${j:--}"
        [ -e "$d/late" ] && [ -z "$n" ] && { r="job LATE $j"; return; }
        [ -z "$j" ] && r=unstarted ;;
    *)
        over && return
        r="job $w $j"
        [ "$w" = CANCELLED ] && [ -e "$d/late" ] && [ -z "$n" ] && r="job LATE $j"
        [ "$w" = CANCELLED ] && [ -e "$d/stop" ] && r="job STOPPED $j" ;;
    esac
}
look_at_cut() {
    if [ -e "$d/left" ]; then
        job_state
        was_put_back && { put_back; return; }
        # It may still be put back.
        case $w in
        '') [ "$mer_at" -gt $((e + 10)) ] || { r="runs -"; return; } ;;
        TIMEOUT | DEADLINE | PREEMPTED | NODE_FAIL | OUT_OF_MEMORY | CANCELLED | COMPLETED | FAILED) ;;
        *) r="runs -"; return ;;
        esac
    fi
    j=
    { read -r j <"$d/job"; } 2>/dev/null
    # Slurm says on stderr of the job why it ends it.
    mer_said "$d"
    w=$mer_w
    [ -n "$w" ] || job_state
    case $w in
    TIMEOUT | DEADLINE | PREEMPTED | NODE_FAIL | OUT_OF_MEMORY | CANCELLED) r="job $w $j" ;;
    '') r="runs -"; [ "$mer_at" -gt $((e + 10)) ] && r="job GONE $j" ;;
    *) r="runs -" ;;
    esac
}
"#;

/// Takes the job of the run in `$d` out of the queue, and ends it if `$1` is KILL.
pub(super) const SIGNAL_JOB: &str = r#"{ read -r j <"$d/job"; } 2>/dev/null && {
    scancel -Q --state=PENDING "$j"
    [ "$1" = KILL ] && scancel -Q "$j"
}
"#;
