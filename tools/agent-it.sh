#!/bin/sh
# The agent against real libvirtd and QEMU under migration, and RabbitMQ.
#
#   sh tools/agent-it.sh            a few minutes: all facts
#   sh tools/agent-it.sh FACT...    these; an unknown one lists them
#
# Needs root and Debian on x86_64, as the laboratory does (tools/lab.sh),
# whose programs it uses.

. "$(dirname -- "$0")/lab-needs.sh"
need /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server

"$BIN/python" -m tests.agent .lab/kit "$@" </dev/null
