"""What the mini-cloud is given for the time that faults are tried in it.

Compute hosts with hardware and agents of their own, as cells; and an applier
and a decision engine with shorter times, whose Nova is the proxy's.
"""

import contextlib
import shutil
import signal
import sys
from collections.abc import Iterator
from collections.abc import Sequence

from benchmarks.fault_cells import ELSEWHERE
from benchmarks.fault_cells import Cell
from benchmarks.fault_mini_strikes import Struck
from benchmarks.fault_runs import ACTION
from benchmarks.fault_runs import STRATEGY
from tests.minicloud import configuration
from tests.minicloud import stages
from tests.minicloud.bed import Bed
from tests.minicloud.operators import Operator

CAP_LIFE = 30.0
HARDWARE = 'hypervisors-faults'
APPLIER, ENGINE = 'watcher-applier', 'watcher-decision-engine'
# Of these two, beside the mini-cloud's own.
FILES = {APPLIER: ('faults', 'proxy'), ENGINE: ('faults',)}
OPTIONS = {
    ACTION: {
        'poll_interval': 0.5,
        'force_complete_interval': 1.5,
        'force_complete_tries': 5,
        'record_timeout': 12,
        'queue_timeout': 60,
        'abort_timeout': 15,
        'settle_timeout': 15,
        'outage_timeout': 15,
        'quiet_time': 8,
        'request_timeout': 12,
        'agent_timeout': 3,
        'cap_life': CAP_LIFE,
        # as by default; one that acts would leave a late pre-copy to Nova
        'governor': 'observe',
        'start_patience': 20,
        'nova_requests': 600,
    },
    'watcher_actions.traffic_sensitive_verify': {'patience': 15},
    f'watcher_strategies.{STRATEGY}': {
        'deadline_factor': 1.0,
        # longer than it takes Nova to see that a compute is down
        'deadline_slack': 30,
    },
    'watcher_applier': {'workers': 16},
    'watcher_decision_engine': {'max_audit_workers': 4},
}
DECLARED = {'tsmig:nic_mbit_s': '1000', 'tsmig:post_copy': 'true'}


@contextlib.contextmanager
def hosts(operator: Operator, cells: Sequence[Cell]) -> Iterator[None]:
    """Cells, and what is elsewhere; they go with the block."""
    cloud = operator.bed
    own = [host for cell in cells for host in cell.own]
    names = [ELSEWHERE, *own]
    agents = {f'agents-{cell.name}': cell.own for cell in cells}
    try:
        for host in names:
            configuration.add_compute(cloud, host)
            stages.configure_compute(cloud, host)
        stages.start_computes(cloud, names, HARDWARE)
        for name, served in agents.items():
            stages.start_agents(cloud, served, name).ready(says='agents serve')
        operator.aggregate('faults', names, **DECLARED)
        yield
    finally:
        operator.sweep()
        for name in (*names, *agents, HARDWARE):
            cloud.stop(name, signal.SIGKILL)
        for host, found in operator.services().items():
            if host in names:
                # not while Nova has a migration there that never ended
                path = f'/os-services/{found["id"]}'
                status, body = operator.nova('DELETE', path)
                if status != 204:
                    print(f'{host} stays: {body}', file=sys.stderr)
        for host in names:
            shutil.rmtree(cloud.conf / host)
            shutil.rmtree(cloud.state / host)


def start(cloud: Bed, name: str) -> None:
    """One of Watcher's workers, as we want it; it is up afterwards."""
    files = [str(cloud.conf / file) for file in FILES[name]]
    stages.start_service(cloud, name, confs=files).ready(says='Starting')


@contextlib.contextmanager
def watcher(made: Struck) -> Iterator[None]:
    """Watcher's workers as we want them, and again as they were."""
    cloud = made.operator.bed
    override = f'{made.server.url}/compute/v2.1'
    for name, sections in (
        ('faults', OPTIONS),
        ('proxy', {'nova': {'endpoint_override': override}}),
    ):
        (cloud.conf / name).write_text(configuration.text_of(sections))
    try:
        for name in (APPLIER, ENGINE):
            cloud.stop(name)
            start(cloud, name)
        yield
    finally:
        for name in (APPLIER, ENGINE):
            cloud.stop(name)
            stages.start_service(cloud, name).ready(says='Starting')
        for name in ('faults', 'proxy'):
            (cloud.conf / name).unlink()
