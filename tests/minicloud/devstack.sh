#!/bin/bash
# Run one phase of our devstack plugin without devstack.
#
#   bash devstack.sh PHASE [SUBPHASE]
#
# From the environment: ENABLED_SERVICES (with commas), WATCHER_CONF,
# NOVA_CONF, PIP (a command), TSMIG_* as in devstack/settings. The functions
# do what devstack's do (functions-common, inc/ini-config, inc/python), as
# far as the plugin uses them.

set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
PLUGIN=$HERE/../../devstack

function define_plugin { :; }
function plugin_requires { :; }
function echo_summary { echo "$@"; }

# True where any of the services is enabled.
function is_service_enabled {
    local service
    for service in "$@"; do
        [[ ,$ENABLED_SERVICES, == *,$service,* ]] && return 0
    done
    return 1
}

# iniset FILE SECTION OPTION VALUE
function iniset {
    python3 - "$@" <<'P'
import pathlib, sys
path, section, option, value = sys.argv[1:]
path = pathlib.Path(path)
lines = path.read_text().splitlines() if path.exists() else []
head, line = f'[{section}]', f'{option} = {value}'
if head not in lines:
    lines += ['', head]
at = lines.index(head) + 1
end = next((i for i in range(at, len(lines)) if lines[i].startswith('[')),
           len(lines))
found = [i for i in range(at, end)
         if lines[i].partition('=')[0].strip() == option]
if found:
    lines[found[0]] = line
else:
    lines.insert(at, line)
path.write_text('\n'.join(lines) + '\n')
P
}

# inidelete FILE SECTION OPTION
function inidelete {
    python3 - "$@" <<'P'
import pathlib, sys
path, section, option = sys.argv[1:]
path = pathlib.Path(path)
kept, inside = [], False
for line in path.read_text().splitlines():
    if line.startswith('['):
        inside = line == f'[{section}]'
    if not (inside and line.partition('=')[0].strip() == option):
        kept.append(line)
path.write_text('\n'.join(kept) + '\n')
P
}

function setup_develop { $PIP install "$1"; }
function pip_uninstall { $PIP uninstall -y "$1"; }
if [[ $(id -u) -eq 0 ]]; then
    function sudo { "$@"; }
fi

# shellcheck source=devstack/settings
source "$PLUGIN/settings"
# shellcheck source=devstack/plugin.sh
source "$PLUGIN/plugin.sh"
