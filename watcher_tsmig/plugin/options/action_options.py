"""The options of the action, with their help.

Declarations, and the pace that an execution takes from them. Watcher
registers them under `[watcher_actions.traffic_sensitive_migrate]`.
"""

from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from watcher_tsmig import units
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.starting import health
from watcher_tsmig.execute.values import Compute

PACE = Pace()

# Below Watcher's [DEFAULT]state_path, which every installation can write.
# One file for the applier, which writes it, and the decision engine, which
# reads it.
CALIBRATION_FILE = '$state_path/tsmig-calibration.json'
CALIBRATION_HELP = """
File in which the durations that migrations really took are kept, so that the
next plan's intervals (planned_low_s, planned_high_s, and the deadline made
from them) are those of this cloud, and what each migration showed of its VM,
so that a VM whose writing nobody measures is planned on what it, or VMs like
it, wrote. The action writes it, the strategy reads
it: give both the same value, on a shared folder where the applier and the
decision engine run on different hosts. Empty: nothing is learned. A file that
cannot be used is a warning in the log and stops nothing.
"""


def calibration_file() -> cfg.StrOpt:
    """The option, for the action's group and for the strategy's."""
    return cfg.StrOpt(
        'calibration_file', default=CALIBRATION_FILE, help=CALIBRATION_HELP
    )


AGENTS = (
    cfg.StrOpt(
        'cap_driver',
        default='agent',
        help="""
Who tells what compute hosts can do and puts bandwidths in force: agent
(tsmig-agent on each host, over Watcher's own message bus) or none. Where no
agent answers, aggregates' metadata and assumptions hold, and a migration goes
on and says that its cap is advisory.
""",
    ),
    cfg.FloatOpt(
        'agent_timeout',
        default=5.0,
        min=0.5,
        max=60.0,
        help="""
Seconds that an agent may take to answer. A host whose agent did not is not
asked again for five minutes.
""",
    ),
)

ACTION = (
    calibration_file(),
    *AGENTS,
    cfg.StrOpt(
        'governor',
        default='observe',
        choices=[
            ('off', 'nobody watches'),
            ('observe', 'tells what it would do'),
            ('act', 'does it'),
        ],
        help="""
What watches the counters of a running pre-copy against its forecast: it raises
the cap where the VM writes more than was thought, switches to post-copy where
that is permitted and no round gets smaller, and tells of a deadline before it
passes. With act a pre-copy past its deadline is left running, unless
governor_abort says otherwise. Related: governor_abort.
""",
    ),
    cfg.BoolOpt(
        'governor_abort',
        default=False,
        help="""
With governor = act: abort a pre-copy that passes its deadline. From Nova 32.2
to 34.0 an aborted migration leaves its VM in ERROR although it runs on.
""",
    ),
    cfg.FloatOpt(
        'cap_life',
        default=PACE.cap_life,
        min=20.0,
        max=86400.0,
        help="""
Seconds after which the agent takes a cap back that nobody renews. It is
renewed four times as often while the migration is followed, so this is how
long a cap outlives the applier.
""",
    ),
    cfg.IntOpt(
        'balloon_keep_mib',
        default=round(PACE.balloon_keep / units.MIB),
        min=16,
        help="""
MiB that stay available to a guest, as its kernel reckons (MemAvailable), when
its page cache is given back before a pre-copy. Only for servers with the
metadata tsmig:balloon=true. What a guest uses is never taken, so this is what
its programs may still grow by during the migration without swapping.
""",
    ),
    cfg.StrOpt(
        'compute_driver',
        default='openstacksdk',
        help="""
Client through which a migration is carried out: an entry point of the group
watcher_tsmig.compute. `openstacksdk` suits every release; `novaclient` is for
installations of Watcher 14 or 15 that want one client of Nova for everything,
and needs python-novaclient (the extra `novaclient`), which these bring along.
Both use the credentials, region, interface and timeout that Watcher has for
Nova. What is read of the cloud to plan always comes through openstacksdk.
""",
    ),
    cfg.FloatOpt(
        'poll_interval',
        default=PACE.poll,
        min=0.01,
        max=2.0,
        help="""
Seconds between two looks at the action plan and at the agent of a running
migration. At most 2, so that a cancelled action plan stops its running
pre-copies within 2 s. Nova is asked more seldom. Related: nova_requests.
""",
    ),
    cfg.FloatOpt(
        'record_timeout',
        default=PACE.appear,
        min=1.0,
        help="""
Seconds to wait for Nova's migration record after it accepted the request;
usually 1 to 5.
""",
    ),
    cfg.FloatOpt(
        'queue_timeout',
        default=PACE.queue,
        min=1.0,
        help="""
Seconds that a migration may wait in Nova's queue before it is withdrawn. Nova
runs [DEFAULT]max_concurrent_live_migrations of a source host at once (1 by
default), so that a larger max_per_source of the audit only fills this queue.
""",
    ),
    cfg.FloatOpt(
        'force_complete_interval',
        default=PACE.switch_again,
        min=0.01,
        help="""
Seconds between two requests to switch to post-copy (or to abort), repeated
until Nova's record shows it, because Nova loses those that come too early.
""",
    ),
    cfg.IntOpt(
        'force_complete_tries',
        default=PACE.switch_tries,
        min=1,
        help="""
How often to ask for post-copy before the VM stays in pre-copy.
""",
    ),
    cfg.FloatOpt(
        'abort_timeout',
        default=PACE.stop,
        min=1.0,
        help="""
Seconds for an abort to take effect before the action fails without it.
""",
    ),
    cfg.FloatOpt(
        'settle_timeout',
        default=PACE.settle,
        min=1.0,
        help="""
Seconds for a VM to be at rest on its destination once its migration is
completed.
""",
    ),
    cfg.FloatOpt(
        'quiet_time',
        default=PACE.quiet,
        min=1.0,
        help="""
Seconds for which Nova's record of a migration stands still before the compute
services of both its hosts are looked at. Nova writes it every 5 s while its
nova-compute lives, whatever the hypervisor goes on sending. Where the
destination's is down, the migration is aborted while it can be; where the
source's is down, it is no longer followed, and the action says so.
""",
    ),
    cfg.BoolOpt(
        'reset_state',
        default=False,
        help="""
A VM that a failed pre-copy leaves in ERROR, and that runs on at its source by
the agents of both hosts, is set active again (reset-state), and may be tried
again. false (default): that is told, and left to the operator: the state is
the only trace in Nova of what went wrong.
""",
    ),
    cfg.FloatOpt(
        'outage_timeout',
        default=PACE.outage,
        min=1.0,
        help="""
Seconds without an answer of the compute API after which a running migration is
no longer followed. The migration itself goes on.
""",
    ),
    cfg.FloatOpt(
        'service_patience',
        default=PACE.ill,
        min=0.0,
        max=3600.0,
        help="""
Seconds that a start waits for Placement, Neutron or Cinder, where the
catalogue has them and they do not answer: Nova needs them in the middle of a
migration, and a VM may end in ERROR where they are away. Then it is not
started, with that as the reason. 0: they are not asked.
""",
    ),
    cfg.FloatOpt(
        'start_patience',
        default=PACE.present,
        min=0.0,
        max=3600.0,
        help="""
Seconds that a start waits while the links of both hosts carry so much, or the
VM writes so much, that the migration could not keep what was planned: their
agents measure both for a second before each start. What fits with another
bandwidth, down to the least convergent one and up to what the plan leaves the
VM, starts with that at once. After the wait a pre-copy becomes a hybrid where
the governor may act and post-copy is permitted, if it is the VM that writes
too much; else the VM is not moved, with the reason. 0: nothing is measured.
Related: governor, cap_driver.
""",
    ),
    cfg.IntOpt(
        'nova_requests',
        default=PACE.requests,
        min=8,
        help="""
Requests to Nova about one migration in a minute from its start, at most; some
seven find out before whether it may begin, and a few why it failed. Where an
agent tells when a migration has begun and ended Nova is asked then, so that
few are enough; without one a larger value shows sooner that a migration has
ended, and the next one starts sooner. Aborts and forced completions are never
held back by it.
""",
    ),
    cfg.IntOpt(
        'http_tries',
        default=PACE.http_tries,
        min=1,
        max=20,
        help="""
Attempts at one GET request that fails for want of a connection, with 429 or
with 5xx, with growing pauses in between.
""",
    ),
    cfg.FloatOpt(
        'request_timeout',
        default=30.0,
        min=1.0,
        max=600.0,
        help="""
Seconds that one request to Nova may take, where [nova] sets no timeout.
""",
    ),
    cfg.StrOpt(
        'coordinator',
        default='',
        secret=True,
        help="""
Where appliers take turns, as a URL of tooz: etcd3+http://host:2379,
zookeeper://host, redis://host, or file:///a/folder for appliers of one host.
Each starts a migration only while not more are under way than its plan has at
once, by Nova's records, whoever started them. Two that look at the same moment
may both start one; with a coordinator only one looks at a time. It has to be
the same for all appliers, and tooz has to be installed there. Empty (default):
Nova's records alone.
""",
    ),
)


VERIFY = (
    cfg.FloatOpt(
        'patience',
        default=600.0,
        min=0.0,
        max=86400.0,
        help="""
Seconds that the last look of a drain waits for what ends by itself: VMs that
are still leaving, arriving, or busy. Who came late, or whose own migration
failed, is moved meanwhile, for which it does not wait, and who is there in the
end is named. How VMs are moved is said by
[watcher_actions.traffic_sensitive_migrate].
""",
    ),
)


def policy(config: Any) -> Policy:  # noqa: ANN401
    """How far the governor goes, by the action's options."""
    return Policy(does=Does(config.governor), abort=config.governor_abort)


def pace(config: Any) -> Pace:  # noqa: ANN401
    """What execution takes from the action's options."""
    return Pace(
        poll=config.poll_interval,
        appear=config.record_timeout,
        queue=config.queue_timeout,
        switch_again=config.force_complete_interval,
        switch_tries=config.force_complete_tries,
        stop=config.abort_timeout,
        settle=config.settle_timeout,
        quiet=config.quiet_time,
        outage=config.outage_timeout,
        cap_life=config.cap_life,
        abort_late=config.governor != Does.ACT or config.governor_abort,
        balloon_keep=config.balloon_keep_mib * units.MIB,
        ill=config.service_patience or PACE.ill,
        present=config.start_patience,
        resets=config.reset_state,
        requests=config.nova_requests,
        http_tries=config.http_tries,
        http_wait=min(0.5, config.poll_interval),
    )


def ill(config: Any, compute: Compute, vm: str) -> Callable[[], str]:  # noqa: ANN401
    """Tells which service is away that the VM's migration needs."""
    if not config.service_patience:
        return lambda: ''
    return lambda: health.trouble(compute, vm)
