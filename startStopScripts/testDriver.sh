#!/usr/bin/env bash
# Runs only the driver, with the settings of this folder: starts no database, and migrates nothing.
#
#   testDriver.sh                 the REPL
#   testDriver.sh ARGUMENTS…      one command: testDriver.sh run iris 5.1,3.5,1.4,0.2
#
# Any number may run beside the driver that startMER.sh started. stopMER.sh does not stop them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

find_mer
if [ $# = 0 ]; then set -- repl; fi
exec "$mer" "$@"
