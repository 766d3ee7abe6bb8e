#!/bin/bash
# The devstack plugin of watcher-tsmig: installs it beside Watcher, configures
# Watcher and Nova for it. It has no service of its own to start or stop.
# Called by devstack with the phase: stack (pre-install, install, post-config,
# extra, test-config), unstack, clean.

TSMIG_PLUGIN_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Each line: section, option, value. `clean` takes away what this sets.
function _tsmig_watcher_options {
    echo "watcher_applier workers $TSMIG_APPLIER_WORKERS"
    echo "watcher_workflow_engines.taskflow max_workers $TSMIG_MAX_WORKERS"
}

function _tsmig_nova_options {
    echo "DEFAULT max_concurrent_live_migrations $TSMIG_MAX_CONCURRENT"
    echo "libvirt live_migration_permit_post_copy $TSMIG_POST_COPY"
    echo "libvirt live_migration_timeout_action $TSMIG_TIMEOUT_ACTION"
}

function _tsmig_set {
    local section option value
    while read -r section option value; do
        iniset "$1" "$section" "$option" "$value"
    done
}

function _tsmig_delete {
    local section option
    [[ -e "$1" ]] || return 0
    while read -r section option _; do
        inidelete "$1" "$section" "$option"
    done
}

function tsmig_is_in_watcher {
    is_service_enabled watcher-api watcher-decision-engine watcher-applier
}

function install_tsmig {
    if tsmig_is_in_watcher; then
        setup_develop "$TSMIG_PLUGIN_DIR"
    fi
}

function configure_tsmig {
    if tsmig_is_in_watcher; then
        _tsmig_watcher_options | _tsmig_set "$WATCHER_CONF"
    fi
    if is_service_enabled n-cpu; then
        # devstack makes nova-cpu.conf of this file when it starts n-cpu
        _tsmig_nova_options | _tsmig_set "$NOVA_CONF"
        if [[ "$TSMIG_USERFAULTFD" == "True" ]]; then
            echo "vm.unprivileged_userfaultfd = 1" |
                sudo tee "$TSMIG_SYSCTL_FILE" >/dev/null
            sudo sysctl -q -p "$TSMIG_SYSCTL_FILE"
        fi
    fi
}

function cleanup_tsmig {
    if tsmig_is_in_watcher; then
        _tsmig_watcher_options | _tsmig_delete "$WATCHER_CONF"
        pip_uninstall watcher-tsmig
    fi
    if is_service_enabled n-cpu; then
        _tsmig_nova_options | _tsmig_delete "$NOVA_CONF"
        if [[ -e "$TSMIG_SYSCTL_FILE" ]]; then
            sudo rm -f "$TSMIG_SYSCTL_FILE"
            sudo sysctl -q -w vm.unprivileged_userfaultfd=0
        fi
    fi
}

case "$1/${2:-}" in
stack/install)
    echo_summary "Installing watcher-tsmig"
    install_tsmig
    ;;
stack/post-config)
    echo_summary "Configuring watcher-tsmig"
    configure_tsmig
    ;;
clean/*)
    cleanup_tsmig
    ;;
esac
