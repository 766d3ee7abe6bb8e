#!/bin/sh
# What guests write, from the agent through Ceilometer to where it is read.
#
#   sh tools/telemetry-it.sh           a few minutes: all facts
#   sh tools/telemetry-it.sh FACT...   these; an unknown one lists them
#
# A real libvirtd with two guests, the agent, ceilometer-polling with our
# pollsters and its exporter, Gnocchi, Prometheus. Needs root and Debian on
# x86_64: the laboratory's programs (tools/lab.sh) and the mini-cloud's
# environment (tools/minicloud.sh), which is made where it is missing. A
# mini-cloud that is up is taken down.

. "$(dirname -- "$0")/lab-needs.sh"
need /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server
need mariadbd mariadb-server
need prometheus prometheus

"$BIN/python" -m tests.telemetry "$@" </dev/null
