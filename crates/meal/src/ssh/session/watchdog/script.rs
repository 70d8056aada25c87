//! The watchdog's script, in POSIX shell.

use std::time::Duration;

/// The script, on one line, because the wrapper's `read` takes one. `ORPHAN` is replaced by the seconds, `FOLDER` by the
/// name of the folder. The second `ps` is for busybox, which shows all processes and has no `-A`.
///
/// A folder is made only where `/proc` shows a wrapper that its watchdog lives. Its path has no character with a meaning
/// for a shell. A file is named `GROUP.TENTHS.NONCE`, with the tenths of a second of its grace period. `rl` are the files of groups that are gone: their numbers may belong to others by now.
const SCRIPT: &str = concat!(
    "exec 2>/dev/null; LC_ALL=C; export LC_ALL; gs=; gr=1; tp=; d=; rl=; rn=0; ",
    "[ -e /proc/$$/ns/pid ]&&for t in \"$XDG_RUNTIME_DIR\" /dev/shm /tmp \"$TMPDIR\";do case $t in *[!A-Za-z0-9/._-]*);;",
    "/*)mkdir -m 700 $t/FOLDER&&{ cd $t/FOLDER&&d=$t/FOLDER;break;};;esac;done; ",
    "there(){ x=; if [ \"$d\" ];then kill -0 $1 2>e&&return 0;read -r x <e;else kill -0 $1||x=$(kill -0 $1 2>&1);fi; ",
    "case $x in *\"o such process\"*)return 1;;esac;}; ",
    "names(){ [ \"$d\" ]&&for f in *.*;do [ -e $f ]||continue;case \" $rl \" in *\" $f \"*)continue;;esac;g=${f%%.*};x=${f#*.};x=${x%%.*};",
    "[ \"$x\" -gt $gr ]&&gr=$x;case \" $gs \" in *\" $g \"*);;*)gs=\"$gs $g\";kill -TERM -$g;;esac;done;}; ",
    "clean(){ [ \"$rl\" ]&&rm -f $rl&&rl=&&rn=0;}; ",
    "fin(){ trap '' USR1 TERM HUP INT PIPE; [ -n \"$tp\" ]&&kill $tp; [ \"$d\" ]&&mv $d $d-; ",
    "for g in $gs;do kill -TERM -$g;done; names; n=0; ",
    "while [ -n \"$gs\" ]&&[ $n -lt $gr ];do sleep 0.1||{ sleep 1;n=$((n+9));}; n=$((n+1)); k=; ",
    "for g in $gs;do there -$g&&k=\"$k $g\";done; gs=$k;done; for g in $gs;do kill -KILL -$g;done; ",
    "[ \"$d\" ]&&cd /&&rm -rf $d- $d; exit 0;}; ",
    "beat(){ [ -n \"$tp\" ]&&kill $tp; ",
    "(trap 'kill $sp' TERM;sleep ORPHAN & sp=$!;wait $sp&&kill -USR1 $$) </dev/null >/dev/null & tp=$!;}; ",
    "dead(){ x=$(ps -A -o pgid= -o stat=||ps -o pgid,stat)&&[ -n \"$x\" ]&&echo \"$x\"|(while read -r p s;do ",
    "[ \"$p\" = $1 ]&&case $s in Z*|X*);;*)exit 1;;esac;done;exit 0);}; ",
    "trap fin USR1 TERM HUP INT; trap '' PIPE; beat; echo \"r${d:+ $d $$}\"; ",
    "rd(){ read -r v a b;}; case $KSH_VERSION in *MIRBSD*)",
    "rd(){ while :;do read -t ORPHAN -r v a b;e=$?;[ $e = 2 ]||return $e;done;};;esac; ",
    "while rd;do case $v in ",
    "a|h) gs=\"$gs $a\"; [ \"$b\" -gt $gr ]&&gr=$b; [ $v = h ]||echo \"a $a\";; ",
    "t) kill -TERM -$a;; ",
    "k) kill -KILL -$a;; ",
    "r) kill -KILL -$a; if there -$a&&! dead $a;then kill -0 -$a&&echo \"s $a\"||echo \"n $a\";else k=; for g in $gs;do [ $g = $a ]||k=\"$k $g\";done; ",
    "gs=$k; echo \"g $a\"; [ \"$b\" ]&&rl=\"$rl $b\"&&rn=$((rn+1)); [ $rn -lt 64 ]||clean;fi;; ",
    "c) for g in $gs;do there $g||echo \"e $g\";done;; ",
    "d) rm -rf $a;; ",
    "b) beat; echo b; clean;; ",
    "esac;done; fin",
);

/// The script with its time and the name of its folder. Some `sleep` take no fractions, so that there is one only if
/// needed.
pub(crate) fn script(orphan_after: Duration, folder: &str) -> String {
    let seconds = orphan_after.as_secs_f64();
    let seconds = if seconds.fract() == 0.0 { format!("{seconds:.0}") } else { format!("{seconds:.3}") };
    SCRIPT.replace("ORPHAN", &seconds).replace("FOLDER", folder) + "\n"
}
