"""The options of how traffic is read, with their help.

Declarations only. What telemetry takes from them is said in options.py.
"""

from oslo_config import cfg

from watcher_tsmig.telemetry import Settings

DATA = Settings()

TRAFFIC = (
    cfg.StrOpt(
        'metrics_source',
        default='gnocchi',
        help="""
Who is asked for traffic and dirty pages: gnocchi or aetos, of the cloud's
catalogue; prometheus, at metrics_place or else at the host of Watcher's
[prometheus_client]; file, at metrics_place; any other source that is
installed; or none. With none, or while the source does not answer, every VM
is planned on the assume_* values, and the audit's status message says so.
""",
    ),
    cfg.StrOpt(
        'metrics_place',
        default='',
        help="""
URL of the Prometheus, or path of the file, that metrics_source names. A
user, a password or certificates that Prometheus wants are read from
[prometheus_client], and then its host is too.
""",
    ),
    cfg.StrOpt(
        'prometheus_metric',
        default=DATA.prometheus_metric,
        help="""
What a metric of Ceilometer is called in Prometheus or Aetos; {metric} stands
for its name with underscores for dots, as Ceilometer's own exporter has it.
""",
    ),
    cfg.StrOpt(
        'prometheus_label',
        default=DATA.prometheus_label,
        help="""
Label of those metrics with the id of a VM, or of its interface, in it.
""",
    ),
    cfg.StrOpt(
        'tx_metric',
        default=DATA.tx_metric,
        help="""
Gnocchi metric with the bytes that an interface of a VM has sent since it was
created. It must be a counter on the resource type interface_resource_type.
""",
    ),
    cfg.StrOpt(
        'rx_metric',
        default=DATA.rx_metric,
        help="""
Gnocchi metric with the bytes that an interface of a VM has received since it
was created. See tx_metric.
""",
    ),
    cfg.StrOpt(
        'interface_resource_type',
        default=DATA.interface_type,
        help="""
Gnocchi resource type of a VM's interfaces, with the attribute instance_id.
""",
    ),
    cfg.FloatOpt(
        'traffic_granularity',
        default=DATA.granularity,
        min=1.0,
        help="""
Seconds between two points of a VM's traffic. Gnocchi is asked for this
granularity of tx_metric and rx_metric first, and for whatever their archive
policy has where it does not have this one; how often Ceilometer samples is
read from the data. An aggregation method of the counter itself must be kept
(mean, last, max or min, as all of Ceilometer's policies do), or rate:mean
with count.
""",
    ),
    cfg.FloatOpt(
        'traffic_window',
        default=DATA.window,
        min=1.0,
        help="""
Traffic is foretold, for the next quarter of an hour, from this many seconds
before the last measure: from the last points or their median over up to two
hours, whichever was right for that VM lately. Of a cloud of more than some
7,000 VMs less is read. At least traffic_granularity.
""",
    ),
    cfg.FloatOpt(
        'burst_window',
        default=DATA.burst_window,
        min=0.0,
        help="""
Bursts of a VM's traffic, and how much it varies, are looked for this many
seconds back: who had some within a day is likely to have more. 0: no further
than traffic_window, in which a third of those VMs is not seen. Of a cloud of
more than some 1,700 VMs less is read. A Prometheus is asked a second question
for it.
""",
    ),
    cfg.FloatOpt(
        'traffic_max_age',
        default=DATA.traffic_age,
        min=1.0,
        help="""
Traffic whose last measure is older than this, in seconds, counts as unknown.
At least three times traffic_granularity, because a measure comes that late.
""",
    ),
)

HOSTS = (
    cfg.ListOpt(
        'migration_devices',
        default=[],
        help="""
Network devices of hosts that migrations go over, as node_exporter names them:
the first of these that a host has, such as bond0, eno1. Devices that share the
load without a device of their own are joined by +, such as eno1+eno2. What
they carry beside the VMs' traffic is then read of Prometheus or Aetos
(metrics_source) and counts as background in plans, and the speed of their link
is the NIC's where neither an agent nor an aggregate's metadata
(tsmig:nic_mbit_s, tsmig:migration_nic_mbit_s) says it. Empty: hosts are not
asked for, and nothing but VMs is known to use their NICs. Related:
tenant_devices, host_label.
""",
    ),
    cfg.ListOpt(
        'tenant_devices',
        default=[],
        help="""
Likewise, the devices that the VMs' traffic goes over. On a host where they are
others than its migration_devices, migrations have a network of their own,
unless an aggregate's metadata tsmig:migration_network says otherwise. Empty:
the same devices.
""",
    ),
    cfg.StrOpt(
        'host_metric',
        default=DATA.host_metric,
        help="""
What a metric of a host's device is called in Prometheus or Aetos; {metric}
stands for transmit_bytes_total, receive_bytes_total and speed_bytes, as
node_exporter has them. Each has a label "device".
""",
    ),
    cfg.StrOpt(
        'host_label',
        default=DATA.host_label,
        help="""
Label of those metrics with the name of a host. A port after it does not
matter, nor whether it or Nova's name has a domain, as long as one host only
fits. Where hosts are scraped by their addresses, name another label.
""",
    ),
)
