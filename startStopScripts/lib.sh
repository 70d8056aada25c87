# shellcheck shell=bash
# What the scripts of this folder share. To be sourced.
#
# What is running is written down in the folder `.mer-run` of the folder they are called in, which is also where `mer` reads
# its `.env`. A pid alone means nothing: another process may have it by now. So each is kept with the time at which its
# process started and the boot it belongs to.

# A command that fails where no failure was expected ends the script (`set -e`), and is named: codes from 64 on are those of
# `mer` and of `die`, which have said why.
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

# What stands above a script, as its help.
help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# Sets `mer` to the binary: MER_BIN, one in PATH, or one that was built here.
find_mer() {
  local candidate
  mer=${MER_BIN:-}
  # The binary reads variables that begin with MER_ as settings.
  unset MER_BIN
  if [ -n "$mer" ]; then
    mer=$(realpath -e -- "$mer") || die 78 "MER_BIN names nothing that exists"
    [ -x "$mer" ] || die 78 "MER_BIN names no program"
    return
  fi
  mer=$(command -v mer) && return
  for candidate in "$here"/../target/{release,debug}/mer; do
    [ ! -x "$candidate" ] || { mer=$(realpath "$candidate"); return; }
  done
  die 78 "there is no \`mer\` in PATH; MER_BIN may name it"
}

# One at a time in this folder. The lock goes with the script; what it starts must not hold it (`9>&-`).
take_lock() {
  mkdir -p "$run_dir"
  chmod 700 "$run_dir"
  exec 9>"$run_dir/lock"
  flock -w 120 9 || die 75 "another start or stop is at work in this folder"
  # The script that held it may have removed the folder meanwhile.
  [ "$(stat -c %i "$run_dir/lock" 2>/dev/null)" = "$(stat -L -c %i /proc/self/fd/9)" ] || take_lock
}

# When a process started, in the kernel's ticks since boot. A process whose parent has not waited for it yet is gone.
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

# Writes down a process: `remember NAME PID`.
remember() {
  local started
  started=$(start_time "$2") || return 1
  printf '%s %s %s\n' "$2" "$started" "$(boot_id)" >"$run_dir/$1.pid.new"
  mv "$run_dir/$1.pid.new" "$run_dir/$1.pid"
}

# The pid of what was written down as NAME, if that very process still runs.
running() {
  local pid started boot
  read -r pid started boot 2>/dev/null <"$run_dir/$1.pid" || return 1
  [[ $pid =~ ^[1-9][0-9]*$ && $boot = "$(boot_id)" && $(start_time "$pid") = "$started" ]] || return 1
  printf '%s\n' "$pid"
}

# Ends what was written down as NAME: `end NAME SIGNAL SECONDS`. A process that does not end is killed.
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
