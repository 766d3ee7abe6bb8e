"""What is wrong with Watcher: checks of what its API tells.

As checks.py; what the API does not tell comes from its configuration, where
somebody gave that.
"""

from collections.abc import Iterator

from watcher_tsmig.cli.findings import Finding
from watcher_tsmig.cli.findings import error
from watcher_tsmig.cli.findings import not_asked
from watcher_tsmig.cli.findings import ok
from watcher_tsmig.cli.findings import warning
from watcher_tsmig.plan import policies
from watcher_tsmig.telemetry.doctor.examine import Seen
from watcher_tsmig.telemetry.doctor.probes import Answer

#: What Watcher has to have loaded of ours.
OURS = (
    'traffic_sensitive_drain',
    'traffic_sensitive_maintenance',
    'traffic_sensitive_relief',
)


def _of(seen: Seen, path: str) -> Answer | None:
    return next(
        (
            answer
            for answer in seen.answers
            if answer.probe.path.startswith(path) and not answer.why
        ),
        None,
    )


def watcher(seen: Seen) -> Iterator[Finding]:
    """Watcher has our strategies, and its services live."""
    strategies, parts = _of(seen, '/v1/strategies'), _of(seen, '/v1/services')
    if strategies is None:
        yield not_asked('Watcher did not tell its strategies')
    else:
        names = {row.get('name') for row in strategies.found}
        missing = [name for name in OURS if name not in names]
        if missing:
            yield error(
                f'Watcher lacks {", ".join(missing)}',
                'install watcher-tsmig beside the decision engine and the '
                'applier, and restart both',
            )
        else:
            yield ok('our strategies are loaded')
    if parts is None:
        yield not_asked('Watcher did not tell its services')
        return
    alive = {r.get('name') for r in parts.found if r.get('status') == 'ACTIVE'}
    for name in ('watcher-decision-engine', 'watcher-applier'):
        if name not in alive:
            yield error(f'no {name} is active', f'start {name}')
    yield not_asked(
        "Watcher's API does not tell which actions and planners are loaded; "
        'they come with the same package, which the applier needs too'
    )


AT_ONCE = 'watcher_workflow_engines.taskflow/max_workers'


def workers(seen: Seen) -> Iterator[Finding]:
    """The applier can run as many actions at once as plans have slots."""
    most = policies.POLICIES[policies.DEFAULT].max_in_cluster
    if seen.options is None:
        yield not_asked(
            "Watcher's API does not tell how many actions run at once",
            "give --config-file with the applier's configuration",
        )
        return
    there = seen.options.get(AT_ONCE)
    if there is None:
        yield warning(
            'the configuration does not say how many actions run at once; '
            "it is the number of the applier's CPUs then",
            f'set [watcher_workflow_engines.taskflow]max_workers to {most}',
        )
    elif there < most:
        yield warning(
            f'the applier runs {there} actions of a plan at once, the policy '
            f'{policies.DEFAULT} up to {most}',
            'raise [watcher_workflow_engines.taskflow]max_workers; what '
            'does not fit waits there, and plans are too short',
        )
    else:
        yield ok(f'the applier runs {there} actions of a plan at once')
