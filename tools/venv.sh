# Sourced by test.sh and demo.sh: the checkout's own virtual environment.
#
# Sets ROOT (the checkout) and BIN (the environment's programs), and changes
# into ROOT. Builds .venv where it is missing or was built from other files.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
cd "$ROOT" || exit 1
BIN=$ROOT/.venv/bin

# A foreign PYTHONPATH or PYTHONHOME would bring in other versions.
unset PYTHONPATH PYTHONHOME

# Print the first Python that is new enough; fail where there is none.
find_python() {
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 \
        python3 python}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1 </dev/null; then
            echo "$name"
            return 0
        fi
    done
    echo 'Python 3.11 or later is needed and was not found.' \
        'Install it, or name one: PYTHON=/path/to/python3' >&2
    return 1
}

# What the environment depends on; another hash means another environment.
venv_stamp() {
    {
        echo "$ROOT"
        "$1" -VV
        cat requirements.txt test-requirements.txt constraints.txt \
            setup.cfg pyproject.toml tools/venv.sh tools/build_backend.py
    } 2>&1 | "$1" -c 'import hashlib, sys
print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

# An install from the checkout leaves what it was then, and who runs in the
# checkout would find entry points there before those of the environment.
rm -rf "$ROOT"/*.egg-info

build_venv() {
    echo "Building the virtual environment in $ROOT/.venv" \
        '(a minute or two, once)' >&2
    rm -rf .venv
    # Some distributions split ensurepip off; then Python's own pip helps.
    if ! "$1" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        "$1" -m venv --without-pip .venv &&
            "$1" -m pip --python "$BIN/python" install -qq pip ||
            return 1
    fi
    "$BIN/python" -m pip install -qq --disable-pip-version-check \
        --constraint constraints.txt --requirement test-requirements.txt \
        --editable '.[playground]' || return 1
}

python=$(find_python) || exit 1
unset PYTHON
stamp=$(venv_stamp "$python") || exit 1
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
    if ! build_venv "$python" </dev/null; then
        echo 'The virtual environment could not be built; see above.' >&2
        exit 1
    fi
    echo "$stamp" >.venv/stamp
fi
