"""The options of the action, with their help.

Declarations, and the pace that an execution takes from them. Watcher
registers them under `[watcher_actions.traffic_sensitive_migrate]`.
"""

from typing import Any

from oslo_config import cfg

from watcher_tsmig.execute import Pace

PACE = Pace()

# Below Watcher's [DEFAULT]state_path, which every installation can write.
# One file for the applier, which writes it, and the decision engine, which
# reads it.
CALIBRATION_FILE = '$state_path/tsmig-calibration.json'
CALIBRATION_HELP = """
File in which the durations that migrations really took are kept, so that the
next plan's intervals (planned_low_s, planned_high_s, and the deadline made
from them) are those of this cloud. The action writes it, the strategy reads
it: give both the same value, on a shared folder where the applier and the
decision engine run on different hosts. Empty: nothing is learned. A file that
cannot be used is a warning in the log and stops nothing.
"""


def calibration_file() -> cfg.StrOpt:
    """The option, for the action's group and for the strategy's."""
    return cfg.StrOpt(
        'calibration_file', default=CALIBRATION_FILE, help=CALIBRATION_HELP
    )


ACTION = (
    calibration_file(),
    cfg.FloatOpt(
        'poll_interval',
        default=PACE.poll,
        min=0.01,
        max=2.0,
        help="""
Seconds between two looks at a running migration. Each costs Nova two GET
requests a migration. At most 2, so that a cancelled action plan stops its
running pre-copies within 2 s.
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
        'outage_timeout',
        default=PACE.outage,
        min=1.0,
        help="""
Seconds without an answer of the compute API after which a running migration is
no longer followed. The migration itself goes on.
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
)


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
        outage=config.outage_timeout,
        http_tries=config.http_tries,
        http_wait=min(0.5, config.poll_interval),
    )
