#!/bin/sh
# Run the plugin's tests in every Watcher release that it supports.
#
#   sh tools/matrix.sh [release...]    for example 14.1.2 17.0.0
#
# Each release gets an environment of its own in .venv-matrix and there runs
# the unit tests of the plugin and of what it calls, and audit to applied
# plan on the playground. Prints one line a release, `release: N passed, N
# failed, N skipped`, and fails where a test failed or a release would not
# install. Too slow for continuous integration: some minutes a release.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
cd "$ROOT" || exit 1
unset PYTHONPATH PYTHONHOME

RELEASES='14.1.2 15.1.2 16.0.2 17.0.0'
TESTS='unit\.test_(plugin|execute|telemetry)_|functional\.test_(drain|read_cloud)\.'
BASE=${PYTHON:-python3.11}
export TSMIG_TEST_TIMEOUT="${TSMIG_TEST_TIMEOUT:-900}"

# What an environment depends on; another sum means another environment.
stamp() {
    {
        echo "$ROOT"
        "$BASE" -VV
        cat requirements.txt test-requirements.txt constraints.txt \
            setup.cfg pyproject.toml tools/matrix.sh tools/build_backend.py
    } 2>&1 | cksum
}

# Build the environment $1 of the release $2 where it is missing or old.
install() {
    [ "$(cat "$1/stamp" 2>/dev/null)" = "$STAMP" ] && return 0
    rm -rf "$1"
    mkdir -p "$(dirname -- "$1")" || return 1
    # Only Watcher's own version differs from what is tested every day.
    grep -v '^python-watcher==' constraints.txt >"$1.txt" || return 1
    # Some distributions split ensurepip off; then Python's own pip helps.
    if ! "$BASE" -m venv "$1" >/dev/null 2>&1; then
        rm -rf "$1"
        "$BASE" -m venv --without-pip "$1" &&
            "$BASE" -m pip --python "$1/bin/python" install -qq pip ||
            return 1
    fi
    "$1/bin/python" -m pip install -qq --disable-pip-version-check \
        --constraint "$1.txt" --requirement test-requirements.txt \
        --editable . "python-watcher==$2" python-watcherclient \
        python-openstackclient || return 1
    echo "$STAMP" >"$1/stamp"
}

# Test in the environment $1; the last line is the count.
run() {
    # stestr passes it to a shell, unquoted; so it must not hold ROOT
    PYTHON=$1/bin/python
    export PYTHON
    rm -rf "$1/.stestr"
    "$PYTHON" -m stestr --repo-url "$1" run "$TESTS"
    ran=$?
    "$PYTHON" -m stestr --repo-url "$1" last --subunit |
        "$PYTHON" tools/count_tests.py && return "$ran"
}

STAMP=$(stamp) || exit 1
status=0
for release in ${*:-$RELEASES}; do
    where=.venv-matrix/$release
    log=$where.log
    if ! install "$where" "$release" </dev/null; then
        echo "$release: could not be installed"
        status=1
        continue
    fi
    if ! run "$where" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        status=1
    fi
    echo "$release: $(tail -n 1 "$log")"
done
exit "$status"
