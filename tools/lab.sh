#!/bin/sh
# The laboratory: real QEMU and libvirt on this machine.
#
#   sh tools/lab.sh smoke          a few minutes: does what is known hold?
#   sh tools/lab.sh full [DIR]     two hours: record everything into DIR
#                                  (.lab/out) and judge the forecast by it
#   sh tools/lab.sh COMMAND [...]  one part: record, contention, lcb (--help
#                                  tells the options), enforcement [FACT...]
#
# Needs root and Debian on x86_64. Installs gcc and iproute2 where they are
# missing; QEMU, libvirt and a kernel are unpacked into .lab/kit and never
# installed. Guests are emulated (TCG), so that it runs in any machine.

. "$(dirname -- "$0")/lab-needs.sh"

lab() {
    "$BIN/python" -m tests.lab "$@" </dev/null
}

# What real libvirt enforces; names of facts may follow.
enforcement() {
    "$BIN/python" -m tests.lab.enforcement .lab/kit "$@" </dev/null
}

case ${1:-} in
full)
    out=${2:-.lab/out}
    lab record --out "$out" &&
        lab lcb --out "$out" &&
        lab contention --out "$out" &&
        enforcement &&
        "$BIN/python" -m benchmarks.lab --data "$out/migrations"
    ;;
enforcement)
    shift
    enforcement "$@"
    ;;
'')
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
*) lab "$@" ;;
esac
