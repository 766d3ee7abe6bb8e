#!/bin/sh
# The whole product on a simulated cloud, from audit to migrated VMs.
#
#   sh tools/demo.sh [--help | --serve | ...]

. "$(dirname -- "$0")/venv.sh"

exec "$BIN/python" -m watcher_tsmig.playground.demo "$@"
