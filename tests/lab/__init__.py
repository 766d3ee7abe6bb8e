"""Real QEMU and libvirt on one machine; started by tools/lab.sh.

Nothing here is collected by the test runner: it needs root, network
namespaces and packages that only tools/lab.sh brings. What it records is
in benchmarks/recorded, and that is tested everywhere.
"""
