"""What guests write, from the agent through Ceilometer to where it is read.

    sh tools/telemetry-it.sh [FACT]...

Real parts only: libvirtd and a guest, the agent, ceilometer-polling with our
pollsters, its exporter, its notification agent, Gnocchi, Prometheus.
"""
