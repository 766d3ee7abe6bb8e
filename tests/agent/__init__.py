"""The agent against what it is for: libvirtd and QEMU, RabbitMQ.

    sh tools/agent-it.sh [FACT]...

The laboratory's libvirtd and guests (tests/lab), the agent as a process of
its own, and facts, each measured and judged.
"""
