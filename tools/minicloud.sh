#!/bin/sh
# The mini-cloud: a real OpenStack with this plugin, on this machine.
#
#   sh tools/minicloud.sh up                  bring it up and leave it
#   sh tools/minicloud.sh test [PATTERN...]   up, the tests, down
#   sh tools/minicloud.sh cases [PATTERN...]  the tests, where it is up
#   sh tools/minicloud.sh horizon             stock Horizon's pages, tested
#   sh tools/minicloud.sh libvirt             real guests, moved
#   sh tools/minicloud.sh kills               runs that are killed half-way
#   sh tools/minicloud.sh status | down
#
# `--watcher RELEASE` takes another python-watcher than 17.0.0. Needs root
# and Debian. RabbitMQ, MariaDB and iproute2 are installed where they are
# missing, and never started as services of the system; everything runs in
# a network namespace of its own, with its data in .minicloud.

. "$(dirname -- "$0")/venv.sh"

if [ "$(id -u)" -ne 0 ]; then
    echo 'The mini-cloud needs root, for a network namespace.' >&2
    exit 1
fi

. "$(dirname -- "$0")/packages.sh"
missing=''
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing=rabbitmq-server
command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ] ||
    missing="$missing mariadb-server"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
if [ "${1:-}" = horizon ]; then
    command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
    command -v chromedriver >/dev/null 2>&1 ||
        missing="$missing chromium-driver"
fi
if [ -n "$missing" ]; then
    echo "Installing $missing" >&2
    # shellcheck disable=SC2086 - one word a package
    install $missing || exit 1
fi

case ${1:-} in
up | test | cases | horizon | libvirt | kills | down | status)
    exec "$BIN/python" -m tests.minicloud "$@" </dev/null
    ;;
*)
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
