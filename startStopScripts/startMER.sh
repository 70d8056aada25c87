#!/usr/bin/env bash
# Starts MER: a database if one is needed, the migrations, the driver.
#
#   startMER.sh [--database WHICH] [--script FILE [--output FILE]] [-- ARGUMENTS OF mer]
#
# Without --script the driver is the REPL in this terminal. With --script, the commands in FILE are run in the background; their
# output goes to --output, or to .mer-run/driver.log, which stopMER.sh removes.
#
# WHICH database is started:
#   auto      depends on the settings (the default): none for the embedded database, for one on another machine and for one
#             that answers already; for ws:// on this machine compose if there is a container engine, otherwise local
#   compose   the SurrealDB server of docker-compose.yaml
#   local     the `surreal` (or the program that SURREAL names) or the PostgreSQL of this machine, for the URL in the settings;
#             its data are kept in the data folder, those of SurrealDB in RocksDB (SURREAL_ENGINE=surrealkv continues with an
#             older folder)
#   none      none
#
# Settings come from the environment and from ./.env. A second call starts nothing twice. stopMER.sh ends everything that this
# script started; if a step fails, the script ends it itself.
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
    *) die 64 "unknown: \`$1\`; --help shows the usage" ;;
  esac
done
case $database in auto | compose | local | none) ;; *) die 64 "--database is auto, compose, local or none" ;; esac

mer_args=("$@")
find_mer
take_lock
if pid=$(running driver); then
  say "the driver is running already, process $pid; testDriver.sh starts a second one"
  exit 0
fi

# If a later step fails, everything that was started is stopped again.
trap 'code=$?; [ $code = 0 ] || { exec 9>&-; "$here/stopMER.sh" || true; exit $code; }' EXIT

url=$("$mer" config show --json "${mer_args[@]}" | sed -n 's/^{"name":"db","value":"\([^"]*\)".*/\1/p')
[ -n "$url" ] || die 78 "the settings cannot be read"
start_database "$database" "$url"

"$mer" migrate --quiet "${mer_args[@]}"

if [ -n "$script" ]; then
  setsid "$mer" "${mer_args[@]}" <"$script" >"${output:-$run_dir/driver.log}" 2>&1 9>&- &
  # A short script may have ended already.
  remember driver $! || true
  say "the driver is running, process $!; its output is in ${output:-$run_dir/driver.log}"
else
  remember driver $$
  # The driver replaces this process.
  exec "$mer" "${mer_args[@]}" repl 9>&-
fi
