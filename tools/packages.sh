# Sourced: Debian packages that a tool needs.

# A package that would start its service is told not to, while we install.
install() {
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || {
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" &&
            made=$policy
    }
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends install "$@"; } \
        </dev/null >/dev/null
    status=$?
    [ -z "${made:-}" ] || rm -f "$made"
    return "$status"
}
