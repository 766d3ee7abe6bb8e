"""The options of the strategy, with their help.

Declarations, and the values that telemetry and the planner take from them.
Watcher registers them under `[watcher_strategies.<name>]`, a group for each
strategy.
"""

from typing import Any

from oslo_config import cfg
from oslo_config import types

from watcher_tsmig import units
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.plugin.options.action_options import AGENTS
from watcher_tsmig.plugin.options.action_options import calibration_file
from watcher_tsmig.plugin.options.traffic_options import HOSTS
from watcher_tsmig.plugin.options.traffic_options import TRAFFIC
from watcher_tsmig.telemetry import Settings

DATA = Settings()

ASSUMPTIONS = (
    cfg.IntOpt(
        'assume_max_outgoing',
        default=1,
        min=1,
        max=1000,
        help="""
How many live migrations Nova runs at once from a host where neither an agent
nor an aggregate's metadata (tsmig:max_concurrent_live_migrations) says it. 1
is Nova's own default of [DEFAULT]max_concurrent_live_migrations; with a larger
value than Nova's, migrations wait in its queue and the plan is too short.
""",
    ),
    cfg.FloatOpt(
        'assume_nic_mbit_s',
        default=1000.0,
        min=1.0,
        help="""
Speed of a host's migration network in Mbit/s, each way, where nobody
declared it. Declare it with the metadata tsmig:nic_mbit_s on a host
aggregate: a value that is too large makes migrations slower than planned, one
that is too small makes the plan longer than it need be.
""",
    ),
    cfg.FloatOpt(
        'assume_traffic_mbit_s',
        default=100.0,
        min=0.0,
        help="""
What a VM is taken to send and to receive, each in Mbit/s, where its traffic is
unknown or older than traffic_max_age. The action's parameter 'assumed' says
where this was used.
""",
    ),
    cfg.FloatOpt(
        'assume_dirty_rate_mib_s',
        default=48.0,
        min=0.0,
        help="""
How fast a VM is taken to write new memory, in MiB/s, where its dirty pages are
unknown or older than dirty_max_age. A large value is the careful one: such a
VM then gets a higher bandwidth or post-copy, or it is left out.
""",
    ),
)

DIRTY = (
    cfg.StrOpt(
        'dirty_metric',
        default=DATA.dirty_metric,
        help="""
Gnocchi metrics on a VM's instance resource that tell how many MiB of distinct
memory it dirtied within so many seconds; {seconds} stands for each of
dirty_spans. A VM without any of them is planned on assume_dirty_rate_mib_s.
""",
    ),
    cfg.ListOpt(
        'dirty_spans',
        item_type=types.Integer(min=1, max=60),
        default=list(DATA.dirty_spans),
        help="""
Seconds that stand for {seconds} in dirty_metric, 1 to 60.
""",
    ),
    cfg.StrOpt(
        'nonzero_metric',
        default=DATA.nonzero_metric,
        help="""
Gnocchi metric on a VM's instance resource with its memory that is not zero, in
MiB, which is what a first pass sends. Empty: none. Where a VM has no measure
of it, resident_metric counts.
""",
    ),
    cfg.StrOpt(
        'resident_metric',
        default=DATA.resident_metric,
        help="""
Gnocchi metric on a VM's instance resource with its resident memory in MiB.
Without it and nonzero_metric all of the flavor's memory counts as resident.
""",
    ),
    cfg.FloatOpt(
        'dirty_max_age',
        default=DATA.dirty_age,
        min=1.0,
        help="""
Dirty pages measured more than this many seconds ago count as unknown. A
working set changes slowly, so a day is a fair default.
""",
    ),
)

READING = (
    cfg.IntOpt(
        'sampled_vms',
        default=16,
        min=0,
        max=1000,
        help="""
VMs whose pages an audit has sampled at most: those whose measured writing lets
no pre-copy end, where an agent on their host can count pages of zeros for the
dry run. Each takes about 4 s, VMs of one host one after another, within 30 s
in all. 0: none is sampled. Related: agent_timeout, of which the two looks at a
VM's pages may take no more than they can.
""",
    ),
    cfg.BoolOpt(
        'keep_zone',
        default=DATA.keep_zone,
        help="""
Keep every VM in its availability zone where Nova does not tell which VMs are
bound to theirs, that is before its microversion 2.96 (Nova 2024.1). From then
on exactly those that are bound stay in it, whatever this says. With false an
older Nova may refuse migrations to another zone.
""",
    ),
    cfg.IntOpt(
        'gnocchi_batch',
        default=DATA.batch,
        min=1,
        max=1000,
        help="""
VMs, or metrics, in one request to Gnocchi. Larger means fewer requests and
longer ones.
""",
    ),
    cfg.FloatOpt(
        'metrics_time',
        default=DATA.total_time,
        min=1.0,
        help="""
Seconds that an audit spends on metrics_source at most, plus request_timeout
for the request under way. What is not known by then is unknown.
""",
    ),
    cfg.FloatOpt(
        'request_timeout',
        default=30.0,
        min=1.0,
        max=600.0,
        help="""
Seconds that one request to Nova or Gnocchi may take, where the client's own
configuration section sets no timeout.
""",
    ),
)

PRICES = (
    cfg.FloatOpt(
        'post_copy_loss',
        default=1e-4,
        min=0.0,
        max=1.0,
        help="""
How likely a switch to post-copy loses its VM, and how likely each minute after
it does so again, because a host or the network between them fails while the
VM's memory is on both. Assumed: one in ten thousand; a cloud whose migration
network fails more often has more. With restore_hours it is the price of the
risk: at the defaults, each of them is that of 1.44 s in which the VM does not
serve, times the weight of its service class; a hybrid, which switches when
most has been sent, has less.
Related: restore_hours, post_copy_saves_percent.
""",
    ),
    cfg.FloatOpt(
        'restore_hours',
        default=4.0,
        min=0.0,
        max=8760.0,
        help="""
Hours until a VM serves again that a post-copy lost: from its backup, by hand.
Related: post_copy_loss.
""",
    ),
    cfg.FloatOpt(
        'failure_price',
        default=600.0,
        min=0.0,
        help="""
What a pre-copy counts that does not end, in seconds in which a VM does not
serve: it was for nothing, the VM is still there, and somebody has to see to
it. Times its chance, by how far the VM's writing is known, it is part of the
price. A larger value has more of those switched that may not end.
""",
    ),
)

DEADLINES = (
    cfg.FloatOpt(
        'deadline_factor',
        default=3.0,
        min=1.0,
        max=100.0,
        help="""
A pre-copy is given up after its forecast time (the upper end of the interval)
times this, plus deadline_slack. Since Nova 32.2.0 an aborted migration leaves
the VM in ERROR although it runs, so giving up is not free.
""",
    ),
    cfg.FloatOpt(
        'deadline_slack',
        default=120.0,
        min=1.0,
        help="""
Seconds added to every deadline, for what no forecast knows: Nova's checks, a
busy control plane. Related: deadline_factor.
""",
    ),
)

LOADS = (
    cfg.StrOpt(
        'cpu_metric',
        default=DATA.cpu_metric,
        help="""
Gnocchi metric on a VM's instance resource with the CPU time that it has used,
in nanoseconds since it was started. Read like tx_metric, at
traffic_granularity as rate:mean. Empty: no host is judged by its CPUs.
""",
    ),
)

STRATEGY = (
    *ASSUMPTIONS,
    *AGENTS,
    *TRAFFIC,
    *HOSTS,
    *DIRTY,
    *READING,
    *PRICES,
    *DEADLINES,
    calibration_file(),
)


#: Of the relief, beside those that all strategies have.
RELIEF = (*STRATEGY, *LOADS)


def settings(config: Any) -> Settings:  # noqa: ANN401 - Watcher's Struct
    """What telemetry takes from the strategy's options.

    :raises errors.InputError: two of them contradict each other
    """
    return Settings(
        tx_metric=config.tx_metric,
        rx_metric=config.rx_metric,
        interface_type=config.interface_resource_type,
        granularity=config.traffic_granularity,
        prometheus_metric=config.prometheus_metric,
        prometheus_label=config.prometheus_label,
        window=config.traffic_window,
        burst_window=config.burst_window,
        migration_devices=tuple(config.migration_devices),
        tenant_devices=tuple(config.tenant_devices),
        host_metric=config.host_metric,
        host_label=config.host_label,
        traffic_age=config.traffic_max_age,
        dirty_metric=config.dirty_metric,
        nonzero_metric=config.nonzero_metric,
        resident_metric=config.resident_metric,
        dirty_spans=tuple(config.dirty_spans),
        dirty_age=config.dirty_max_age,
        batch=config.gnocchi_batch,
        total_time=config.metrics_time,
        keep_zone=config.keep_zone,
    )


def prior(config: Any) -> Prior:  # noqa: ANN401 - oslo.config
    """What a migration's duration is read by."""
    assumed = assumptions(config)
    return Prior(rate=assumed['assume_dirty_rate'], link=assumed['assume_nic'])


def assumptions(config: Any) -> dict[str, float]:  # noqa: ANN401
    """What is taken to be so where nobody says it; fields of a `Request`."""
    return {
        'assume_outgoing': float(config.assume_max_outgoing),
        'assume_nic': units.from_mbit_s(config.assume_nic_mbit_s),
        'assume_traffic': units.from_mbit_s(config.assume_traffic_mbit_s),
        'assume_dirty_rate': units.from_mib(config.assume_dirty_rate_mib_s),
    }


def of_requests(config: Any) -> dict[str, float]:  # noqa: ANN401
    """Fields of a `Request` that the strategy's options give."""
    return {
        **assumptions(config),
        'post_copy_loss': config.post_copy_loss,
        'restore': config.restore_hours * 3600.0,
        'failure': config.failure_price,
    }
