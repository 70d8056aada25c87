//! The scripts of POSIX sh around `srun` and `salloc`.

use crate::{
    WATCH_VARIABLE,
    exit_marker::{begin_word, marker_start},
};

/// Calls `srun` or `salloc`, which is `$2` and the following, and ends the job named `$1` where that fails to.
///
/// `srun` answers TERM with KILL for its job, and a killed `srun` leaves its job alone. It is therefore in a session of its
/// own. On TERM, this script lets Slurm send URG to the job, whose script ends the process, or takes the job out of the
/// queue: output that a process writes after a TERM of Slurm's own may be lost. If this script is
/// killed, a guard in another session sees the end of a pipe, and ends the job by its name, as often as the controller does
/// not answer. It does the same where `salloc` was killed; a status like that of `srun` may be the one of its process. The mark of `mer` is taken out of the environment, so that nothing else ends them.
const FRONT: &str = r#"mer_n=$1; shift
command -v "$1" >/dev/null 2>&1 || { echo "mer: no $1" >&2; exit 127; }
mer_s=; command -v setsid >/dev/null 2>&1 && mer_s=setsid
unset @MARK@
trap : HUP INT TERM
exec 3<&0 4>&1 5>&2 </dev/null >/dev/null 2>&1
{
    $mer_s "$@" <&3 >&4 2>&5 3<&- 4>&- 5>&- &
    mer_p=$!
    trap 'scancel -Q --state=PENDING --name="$mer_n" >/dev/null; scancel -Q -s URG --name="$mer_n" >/dev/null' TERM
    exec 3<&- 4>&- 5>&-
    echo "$mer_p"
    while :; do wait $mer_p; mer_x=$?; kill -0 $mer_p || break; done
    @UNLESS@echo "done $mer_x"
} | { exec 3<&- 4>&- 5>&- >/dev/null; exec $mer_s sh -c '@GUARD@' mer "$mer_n"; } 3<&- 4>&- 5>&-
"#;

/// Reads the process ID of `srun` and its end. Ends the job named `$1` if the end does not come.
const GUARD: &str = r#"trap "" HUP INT TERM
read -r mer_p
while read -r mer_w mer_x; do [ "$mer_w" = done ] && exit "$mer_x"; done
kill -TERM -"$mer_p" || kill -TERM "$mer_p"
mer_i=0
while [ $mer_i -lt 20 ]; do
    scancel -Q -s KILL --name="$1"; scancel -Q --name="$1"
    mer_j=$(squeue -h -n "$1" -t PD,CF,R,S,ST -o %i) && [ -z "$mer_j" ] && break
    mer_i=$((mer_i + 1)); sleep $mer_i
done
kill -KILL -"$mer_p" || kill -KILL "$mer_p"
exit 1"#;

/// As [`GUARD`], for a step of the job named `$1`: `srun` ends the step. The job itself is ended if `srun` does not end.
const STEP_GUARD: &str = r#"trap "" HUP INT TERM
read -r mer_p
while read -r mer_w mer_x; do [ "$mer_w" = done ] && exit "$mer_x"; done
kill -TERM -"$mer_p" || kill -TERM "$mer_p"
mer_i=0
while [ $mer_i -lt 30 ]; do kill -0 "$mer_p" || exit 1; mer_i=$((mer_i + 1)); sleep 1; done
scancel -Q -s KILL --name="$1"; scancel -Q --name="$1"
kill -KILL -"$mer_p" || kill -KILL "$mer_p"
exit 1"#;

/// The command of `salloc`: says that the job has begun, and ends at the end of its input.
const HOLDING_JOB: &str = r#"printf '%s %-20s\n' =ok "$SLURM_JOB_ID"; exec cat >/dev/null"#;

/// Runs within the job: `$1` is the word of the marks, `$2` the working directory, and the rest the command.
///
/// A line on stdout says that the process begins, or why it does not, and the numbers of the job and the step. A mark on stderr says that
/// what follows is of the process, and a last one its exit status. The shell stays beside the process, sends TERM to its
/// group on URG, and ignores signals that are meant for it.
const IN_JOB: &str = r#"mer_m=$1 mer_d=$2; shift 2
mer_a() { printf '%s %-20s\n' "$1" "$SLURM_JOB_ID${SLURM_STEP_ID:+.$SLURM_STEP_ID}"; }
case $mer_d in
'') ;;
'~') mer_d=$HOME ;;
'~/'*) mer_d=$HOME/${mer_d#??} ;;
esac
[ -z "$mer_d" ] || CDPATH= cd -- "$mer_d" >/dev/null 2>&1 || { mer_a =cd; exit 126; }
case $1 in
*/*) [ -e "$1" ] || { mer_a =nf; exit 127; }; [ -f "$1" ] && [ -x "$1" ] || { mer_a =nx; exit 126; } ;;
*) command -v "$1" >/dev/null 2>&1 || { mer_a =nf; exit 127; } ;;
esac
mer_p= mer_e=; command -v setsid >/dev/null 2>&1 && mer_e=setsid
trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM
trap '[ -z "$mer_p" ] || kill -TERM -"$mer_p" || kill -TERM "$mer_p"' URG
exec 3>&2 4<&0 2>/dev/null
printf '%s0.\n' '@BEGIN@' >&3
{ mer_a =ok; exec $mer_e "$@"; } <&4 2>&3 3>&- 4<&- &
mer_p=$!
exec </dev/null >/dev/null 4<&-
while :; do wait $mer_p; mer_s=$?; kill -0 $mer_p || break; done
printf '%s%s.\n' '@END@' "$mer_s" >&3
exit $mer_s
"#;

/// Length of the line on stdout that says how the process begins: the answer, a blank, the number of the job, a newline.
pub(super) const GREETING_BYTES: usize = 25;

/// Returns the words that run a command of Slurm under the guard of its job.
pub(super) fn guarded(job_name: &str) -> [String; 5] {
    front(GUARD, "", job_name)
}

/// As [`guarded`], for `salloc`.
pub(super) fn guarded_allocation(job_name: &str) -> [String; 5] {
    front(GUARD, r#"[ "$mer_x" = 137 ] || "#, job_name)
}

/// Returns the words that run `srun` under a guard that ends its step of a job.
pub(super) fn guarded_step(job_name: &str) -> [String; 5] {
    front(STEP_GUARD, "", job_name)
}

/// `unless` stands before the report that the command has ended by itself.
fn front(guard: &str, unless: &str, job_name: &str) -> [String; 5] {
    let front = FRONT.replace("@MARK@", WATCH_VARIABLE).replace("@GUARD@", guard).replace("@UNLESS@", unless);
    ["sh".to_owned(), "-c".to_owned(), front, "mer".to_owned(), job_name.to_owned()]
}

/// Returns the words of a command that holds a job until the end of its input.
pub(super) fn holding_job() -> [String; 3] {
    ["sh", "-c", HOLDING_JOB].map(str::to_owned)
}

/// Returns the words that run a command within a job.
pub(super) fn in_job(word: &str, folder: &str) -> [String; 6] {
    let script = IN_JOB.replace("@BEGIN@", &marker_start(&begin_word(word))).replace("@END@", &marker_start(word));
    ["sh".to_owned(), "-c".to_owned(), script, "mer".to_owned(), word.to_owned(), folder.to_owned()]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{FRONT, GREETING_BYTES, GUARD, STEP_GUARD, in_job};

    #[test]
    fn the_guard_can_stand_in_single_quotes() {
        assert!([GUARD, STEP_GUARD].iter().all(|guard| !guard.contains('\'')) && FRONT.contains("'@GUARD@'"));
    }

    #[test]
    fn the_script_of_a_job_reports_its_begin_and_its_end() {
        for (command, answer, stderr) in [
            (
                ["sh", "-c", "echo out; echo err >&2; exit 3"],
                "=ok 12                  \nout\n",
                "\u{1e}wb=0.\nerr\n\u{1e}w=3.\n",
            ),
            (["no-such-command", "", ""], "=nf 12                  \n", ""),
            (["/etc/passwd", "", ""], "=nx 12                  \n", ""),
        ] {
            for shell in ["sh", "bash", "dash", "mksh"] {
                let words = in_job("w", "/");
                let Ok(ran) = Command::new(shell).args(&words[1..]).args(command).env("SLURM_JOB_ID", "12").output()
                else {
                    continue;
                };
                assert_eq!(String::from_utf8_lossy(&ran.stdout), answer, "{shell}");
                assert_eq!(String::from_utf8_lossy(&ran.stderr), stderr, "{shell}");
            }
            assert_eq!(answer.lines().next().map(str::len), Some(GREETING_BYTES - 1));
        }
        let words = in_job("w", "/no/such/folder");
        let ran = Command::new("sh").args(&words[1..]).arg("true").env("SLURM_JOB_ID", "12").output().expect("sh");
        assert!(ran.stdout.starts_with(b"=cd 12 "));
    }
}
