# Sourced by lab.sh and agent-it.sh: what the laboratory needs of a machine.
#
# Root, programs (installed where they are missing), and the checkout's own
# environment with the laboratory's packages.

. "$(dirname -- "$0")/venv.sh"
. "$(dirname -- "$0")/packages.sh"

if [ "$(id -u)" -ne 0 ]; then
    echo 'The laboratory needs root, for network namespaces.' >&2
    exit 1
fi

# Program and the package that brings it.
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    echo "Installing $2" >&2
    # shellcheck disable=SC2086 - one word a package
    install $2 || exit 1
}
need gcc 'gcc libc6-dev'
need ip iproute2
need setpriv util-linux
need sysctl procps

# The laboratory's own packages, beside what the tests need.
if ! "$BIN/python" -c 'import qemu.qmp' 2>/dev/null; then
    "$BIN/python" -m pip install -qq --disable-pip-version-check \
        --constraint constraints.txt --requirement tests/lab/requirements.txt \
        </dev/null || exit 1
fi
