//! The watchdog's script, in POSIX shell.

use std::time::Duration;

/// The script, on one line, because the wrapper's `read` takes one. `ORPHAN` is replaced by the seconds. The second
/// `ps` is for busybox, which shows all processes and has no `-A`.
const SCRIPT: &str = concat!(
    "exec 2>/dev/null; LC_ALL=C; export LC_ALL; gs=; gr=1; tp=; ",
    "there(){ kill -0 $1||case $(kill -0 $1 2>&1) in *\"o such process\"*)return 1;;esac;}; ",
    "fin(){ trap '' USR1 TERM HUP INT PIPE; [ -n \"$tp\" ]&&kill $tp; for g in $gs;do kill -TERM -$g;done; n=0; ",
    "while [ -n \"$gs\" ]&&[ $n -lt $gr ];do sleep 0.1||{ sleep 1;n=$((n+9));}; n=$((n+1)); k=; ",
    "for g in $gs;do there -$g&&k=\"$k $g\";done; gs=$k;done; for g in $gs;do kill -KILL -$g;done; exit 0;}; ",
    "beat(){ [ -n \"$tp\" ]&&kill $tp; ",
    "(trap 'kill $sp' TERM;sleep ORPHAN & sp=$!;wait $sp&&kill -USR1 $$) </dev/null >/dev/null & tp=$!;}; ",
    "dead(){ x=$(ps -A -o pgid= -o stat=||ps -o pgid,stat)&&[ -n \"$x\" ]&&echo \"$x\"|(while read -r p s;do ",
    "[ \"$p\" = $1 ]&&case $s in Z*|X*);;*)exit 1;;esac;done;exit 0);}; ",
    "trap fin USR1 TERM HUP INT; trap '' PIPE; beat; echo r; ",
    "rd(){ read -r v a b;}; case $KSH_VERSION in *MIRBSD*)",
    "rd(){ while :;do read -t ORPHAN -r v a b;e=$?;[ $e = 2 ]||return $e;done;};;esac; ",
    "while rd;do case $v in ",
    "a) gs=\"$gs $a\"; [ \"$b\" -gt $gr ]&&gr=$b; echo \"a $a\";; ",
    "t) kill -TERM -$a;; ",
    "k) kill -KILL -$a;; ",
    "r) kill -KILL -$a; if there -$a&&! dead $a;then kill -0 -$a&&echo \"s $a\"||echo \"n $a\";else k=; for g in $gs;do [ $g = $a ]||k=\"$k $g\";done; ",
    "gs=$k; echo \"g $a\";fi;; ",
    "c) for g in $gs;do there $g||echo \"e $g\";done;; ",
    "b) beat; echo b;; ",
    "esac;done; fin",
);

/// The script with its time. Some `sleep` take no fractions, so that there is one only if needed.
pub(super) fn script(orphan_after: Duration) -> String {
    let seconds = orphan_after.as_secs_f64();
    let seconds = if seconds.fract() == 0.0 { format!("{seconds:.0}") } else { format!("{seconds:.3}") };
    SCRIPT.replace("ORPHAN", &seconds) + "\n"
}
