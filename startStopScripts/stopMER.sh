#!/usr/bin/env bash
# Stops everything that startMER.sh started in this folder, and nothing else: the driver, then the database. A second call has
# nothing to do.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$here/database.sh"

case ${1:-} in
  '') ;;
  --help | -h) help && exit ;;
  *) die 64 "unknown: \`$1\`" ;;
esac

[ -d "$run_dir" ] || { say "nothing was started here"; exit 0; }
take_lock

# `mer` ends its models within their grace periods; a second signal would cut these short.
end driver TERM 60

if [ -e "$run_dir/compose" ]; then
  compose down
fi
signal=$(cat "$run_dir/database.signal" 2>/dev/null || echo TERM)
end database "$signal" 60

rm -f "$run_dir/compose" "$run_dir"/database.{signal,log} "$run_dir/driver.log" "$run_dir/lock"
rmdir "$run_dir" 2>/dev/null || say "$run_dir is kept: it has files that these scripts did not create"
