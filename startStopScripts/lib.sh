# shellcheck shell=bash
# Functions shared by the scripts of this folder. Source this file.
#
# Running processes are recorded in `.mer-run` in the current folder, where `mer` also reads `.env`. A pid alone proves nothing,
# because another process may have it by now. Each pid is therefore recorded with the start time of its process and the boot id.

# An unexpected failure of a command ends the script (`set -e`), and is reported. Codes from 64 on are those of `mer` and of
# `die`, which have printed the reason themselves.
set -E
trap 'unexpected $? "$BASH_COMMAND"' ERR
unexpected() {
  [[ $- = *e* ]] || return 0
  trap - ERR
  [ "$1" -ge 64 ] || say "\`$2\` failed with $1"
  exit "$1"
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run_dir=$PWD/.mer-run

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  local code=$1
  shift
  say "$*"
  exit "$code"
}

# Prints the comment at the top of a script as its help.
help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# Sets `mer` to the binary: MER_BIN, the one in PATH, or one that was built in this repository.
find_mer() {
  local candidate
  mer=${MER_BIN:-}
  # The binary reads variables that begin with MER_ as settings.
  unset MER_BIN
  if [ -n "$mer" ]; then
    mer=$(realpath -e -- "$mer") || die 78 "the file that MER_BIN names does not exist"
    [ -x "$mer" ] || die 78 "the file that MER_BIN names is not executable"
    return
  fi
  mer=$(command -v mer) && return
  for candidate in "$here"/../target/{release,debug}/mer; do
    [ ! -x "$candidate" ] || { mer=$(realpath "$candidate"); return; }
  done
  die 78 "there is no \`mer\` in PATH; MER_BIN may name it"
}

# Only one script at a time works in this folder. The lock is released at the end of the script; processes that it starts must not
# inherit it (`9>&-`).
take_lock() {
  mkdir -p "$run_dir"
  chmod 700 "$run_dir"
  exec 9>"$run_dir/lock"
  flock -w 120 9 || die 75 "another start or stop is in progress in this folder"
  # The script that held it may have removed the folder meanwhile.
  [ "$(stat -c %i "$run_dir/lock" 2>/dev/null)" = "$(stat -L -c %i /proc/self/fd/9)" ] || take_lock
}

# Prints a process's start time, in the kernel's ticks since boot. A zombie counts as ended.
start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # The name in it may hold blanks and parentheses.
  stat=${stat##*) }
  local fields
  read -ra fields <<<"$stat"
  case ${fields[0]} in Z | X) return 1 ;; esac
  printf '%s\n' "${fields[19]}"
}

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Records a process: `remember NAME PID`.
remember() {
  local started
  started=$(start_time "$2") || return 1
  printf '%s %s %s\n' "$2" "$started" "$(boot_id)" >"$run_dir/$1.pid.new"
  mv "$run_dir/$1.pid.new" "$run_dir/$1.pid"
}

# Prints the pid that was recorded as NAME, if the same process is still running.
running() {
  local pid started boot
  read -r pid started boot 2>/dev/null <"$run_dir/$1.pid" || return 1
  [[ $pid =~ ^[1-9][0-9]*$ && $boot = "$(boot_id)" && $(start_time "$pid") = "$started" ]] || return 1
  printf '%s\n' "$pid"
}

# Ends the process that was recorded as NAME: `end NAME SIGNAL SECONDS`. A process that does not end in time is killed.
end() {
  local name=$1 signal=$2 bound=$3 pid
  if pid=$(running "$name"); then
    kill "-$signal" "$pid" 2>/dev/null || true
    local until=$((SECONDS + bound))
    while running "$name" >/dev/null; do
      if [ "$SECONDS" -ge "$until" ]; then
        say "the $name, process $pid, does not end within $bound s and is killed"
        kill -KILL "$pid" 2>/dev/null || true
        until=$((SECONDS + 10))
      fi
      sleep 0.05
    done
    say "the $name has ended"
  fi
  rm -f "$run_dir/$name.pid" "$run_dir/$name.pid.new"
}
