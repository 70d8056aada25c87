#!/usr/bin/env bash
# Starts MER: a database where one is to be started, the migrations, the driver.
#
#   startMER.sh [--database WHICH] [--script FILE [--output FILE]] [-- ARGUMENTS OF mer]
#
# Without --script the driver is the REPL, here. With it, the commands in FILE are run in the background; what they print
# goes to --output, or to .mer-run/driver.log, which stopMER.sh removes.
#
# WHICH database is started is one of
#   auto      what the settings ask for (the default): nothing for the embedded database, for one on another machine and
#             for one that answers already; for ws:// on this machine compose where there is a container engine, else local
#   compose   the SurrealDB server of docker-compose.yaml
#   local     a `surreal` (or what SURREAL names) or a PostgreSQL of this machine, for the URL that is set; its data are kept
#             in the data folder, those of SurrealDB in RocksDB (SURREAL_ENGINE=surrealkv goes on with an older folder)
#   none      nothing
#
# Settings come from the environment and from ./.env. Called twice, it starts nothing twice. What it started, stopMER.sh
# ends; where a step fails, it does so itself.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$here/database.sh"

database=auto script='' output=''
while [ $# -gt 0 ]; do
  case $1 in
    --database) database=${2:?WHICH} && shift 2 ;;
    --script) script=$(realpath -e -- "${2:?FILE}") && shift 2 ;;
    --output) output=$(realpath -m -- "${2:?FILE}") && shift 2 ;;
    --) shift && break ;;
    --help | -h) help && exit ;;
    *) die 64 "unknown: \`$1\`; --help shows how it is written" ;;
  esac
done
case $database in auto | compose | local | none) ;; *) die 64 "--database is auto, compose, local or none" ;; esac

mer_args=("$@")
find_mer
take_lock
if pid=$(running driver); then
  say "the driver is running already, process $pid; testDriver.sh starts another one"
  exit 0
fi

# What was started goes again where a later step fails.
trap 'code=$?; [ $code = 0 ] || { exec 9>&-; "$here/stopMER.sh" || true; exit $code; }' EXIT

url=$("$mer" config show --json "${mer_args[@]}" | sed -n 's/^{"name":"db","value":"\([^"]*\)".*/\1/p')
[ -n "$url" ] || die 78 "the settings cannot be read"
start_database "$database" "$url"

"$mer" migrate --quiet "${mer_args[@]}"

if [ -n "$script" ]; then
  setsid "$mer" "${mer_args[@]}" <"$script" >"${output:-$run_dir/driver.log}" 2>&1 9>&- &
  # A short script may be over already.
  remember driver $! || true
  say "the driver is running, process $!; its output is in ${output:-$run_dir/driver.log}"
else
  remember driver $$
  # The same process from here on.
  exec "$mer" "${mer_args[@]}" repl 9>&-
fi
