#!/bin/sh
# Lint, check types and run all tests, from any folder.
#
#   sh tools/test.sh [name-pattern...]    only tests that match, as stestr
#
# Closes with the line `N passed, N failed, N skipped` and fails where a
# lint or a test failed or no test ran. TSMIG_DATA names the folder of
# measurements that some tests read; TSMIG_TEST_TIMEOUT bounds the seconds
# that a process of tests may take.

. "$(dirname -- "$0")/venv.sh"

if [ -z "${TSMIG_DATA:-}" ] && [ -d ../shared/data ]; then
    TSMIG_DATA=$(cd ../shared/data && pwd)
fi
export TSMIG_DATA="${TSMIG_DATA:-}"
export TSMIG_TEST_TIMEOUT="${TSMIG_TEST_TIMEOUT:-900}"

# stestr passes it to a shell, unquoted; so it must not hold ROOT
export PYTHON=.venv/bin/python

status=0
lint() {
    echo "== $*"
    "$BIN/$@" </dev/null || status=1
}
lint ruff format --check --quiet .
lint ruff check --quiet .
lint mypy

echo "== stestr run $*"
# A run that dies early leaves no stream, and the last one would be an old
# one: only what came after this number counts.
before=$(cat .stestr/next-stream 2>/dev/null)
"$BIN/stestr" run "$@" </dev/null || status=1
if [ "$(cat .stestr/next-stream 2>/dev/null)" = "$before" ]; then
    echo '0 passed, 0 failed, 0 skipped'
    exit 1
fi
[ "$status" -eq 0 ] || echo 'Something failed; see above.'
"$BIN/stestr" last --subunit </dev/null |
    "$BIN/python" tools/count_tests.py || status=1
exit "$status"
