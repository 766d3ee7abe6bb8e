"""The demo: from audit to migrated VMs, as an operator would see it.

Everything goes through the APIs that a real cloud has: the audit is made
and its plan started with the stock ``openstack optimize``, the rest is read
from Watcher's API. Only the simulated clock is the playground's own.
"""

import argparse
import dataclasses
import shlex
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig import simulate
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.playground import launch
from watcher_tsmig.playground.clients import Clients
from watcher_tsmig.playground.clients import openstack
from watcher_tsmig.playground.clients import say
from watcher_tsmig.playground.clients import wait_for
from watcher_tsmig.playground.cloud.rack import WRITTEN
from watcher_tsmig.playground.cloud.rack import rack
from watcher_tsmig.report import table

GOAL = 'traffic_sensitive_migration'
STRATEGY = 'traffic_sensitive_drain'
ACTION = 'traffic_sensitive_migrate'
# How much faster than the wall clock the simulated cloud runs. Watcher's own
# time between two actions counts so many times in what happened.
SPEED = 1.5
# Wall seconds until an audit has a plan, and until a plan has been carried
# out; both are far above the usual.
PLANNED_WITHIN = 120.0
CARRIED_OUT_WITHIN = 300.0
ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED')
LAST = ('completed', 'failed', 'error', 'cancelled')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What came of one migration; s from the first one's record."""

    name: str
    status: str
    took: float
    ended: float
    sent: float


def make_audit(clients: Clients, hosts: Sequence[str]) -> str:
    """Create the audit as an operator would; the id of its plan."""
    parameters = '["' + '", "'.join(hosts) + '"]'
    audit = openstack(
        clients.env,
        *('optimize', 'audit', 'create', '--goal', GOAL),
        *('--strategy', STRATEGY, '--parameter', f'hosts={parameters}'),
        *('--name', 'empty-the-rack', '-f', 'value', '-c', 'UUID'),
    )

    def ended() -> object | None:
        found = clients.watcher.audit.get(audit)
        return found if found.state in ENDED else None

    wait_for('the audit', ended, PLANNED_WITHIN)
    found = clients.watcher.audit.get(audit)
    say(f'audit {found.state}: {found.status_message or ""}')
    plans = clients.watcher.action_plan.list(audit=audit)
    if found.state != 'SUCCEEDED' or not plans:
        raise errors.CloudError('the audit made no plan')
    uuid: str = plans[0].uuid
    return uuid


def show_plan(clients: Clients, plan: str) -> list[table.Row]:
    """Print the plan; its migrations."""
    actions = clients.watcher.action.list(action_plan=plan, detail=True)
    rows = [
        table.of_parameters(action.input_parameters)
        for action in actions
        if action.action_type == ACTION
    ]
    say()
    for line in table.table(rows):
        say(line)
    others = len(actions) - len(rows)
    say(f'and {others} hosts are disabled first.' if others else '')
    say(enforcement(actions))
    say()
    found = clients.watcher.action_plan.get(plan)
    for indicator in found.efficacy_indicators:
        unit = indicator.get('unit') or ''
        name, value = indicator['name'], float(indicator['value'])
        say(f'  {name:<20} {value:>10.6g} {unit}'.rstrip())
    say()
    return rows


def enforcement(actions: Sequence[Any]) -> str:
    """Who holds the migrations to their caps, for people."""
    said = [
        a.input_parameters['cap_enforcement']
        for a in actions
        if a.action_type == ACTION
    ]
    held = said.count('enforced')
    if held == len(said):
        return "Caps are enforced by the hosts' agents."
    return f'Caps: {held} of {len(said)} enforced, the others are advisory.'


def carry_out(
    clients: Clients, plan: str, rows: Sequence[table.Row]
) -> dict[str, Happened]:
    """Approve the plan and follow it; one line a VM."""
    openstack(
        clients.env,
        *('optimize', 'actionplan', 'start', plan),
        *('-f', 'value', '-c', 'State'),
    )
    planned = {row.name: row for row in rows}
    happened: dict[str, Happened] = {}

    def ended() -> object | None:
        # The plan first: what its last state shows has ended by then.
        found = clients.watcher.action_plan.get(plan)
        records = clients.state()['migrations']
        began = min((r['created'] for r in records), default=0.0)
        for record in sorted(records, key=lambda r: r['updated']):
            name = record['name']
            if name in happened or record['status'] not in LAST:
                continue
            happened[name] = _happened(record, began)
            _progress(planned[name], happened[name])
        return found if found.state in ENDED else None

    wait_for('the action plan', ended, CARRIED_OUT_WITHIN)
    say(f'action plan {clients.watcher.action_plan.get(plan).state}')
    return happened


def _happened(record: Mapping[str, Any], began: float) -> Happened:
    return Happened(
        name=record['name'],
        status=record['status'],
        took=record['updated'] - record['created'],
        ended=record['updated'] - began,
        sent=record['sent'] or 0.0,
    )


def _progress(row: table.Row, found: Happened) -> None:
    say(
        f'  {table.clock(found.ended):>5}  {row.name:<10} {row.mode:<9} '
        f'{row.source} -> {row.destination}  {found.status} in '
        f'{units.human_time(found.took)} (planned '
        f'{units.human_time(row.takes)})'
    )


def _with_agents(cloud: Cloud) -> Cloud:
    """As the playground shows it."""
    return dataclasses.replace(
        cloud,
        hosts=tuple(
            dataclasses.replace(host, agent=True) for host in cloud.hosts
        ),
    )


def compare(
    rows: Sequence[table.Row], happened: Mapping[str, Happened]
) -> bool:
    """Planned against happened, and against a single mode.

    :returns: whether this plan beats every single-mode plan: it is faster,
        and takes less from VMs than those that move as many
    """
    cloud = _with_agents(rack(WRITTEN))
    hosts = tuple(sorted({row.source for row in rows}))
    lines: list[tuple[str, ...]] = []
    figures: list[tuple[float, float]] = []
    prices: list[tuple[int, float]] = []
    for name, mode in (('this plan', None), *((f'all {m}', m) for m in Mode)):
        plan = make_plan(
            cloud,
            policies.request(policies.DEFAULT, hosts=hosts, only_mode=mode),
        )
        replayed = simulate.replay(cloud, plan)
        price, left = plan.prices.plan, len(plan.left_out)
        figures.append((plan.makespan, replayed.makespan))
        prices.append((left, price))
        real = max((h.ended for h in happened.values()), default=0.0)
        lines.append(
            (
                name,
                units.human_time(plan.makespan),
                units.human_time(replayed.makespan),
                units.human_time(real) if mode is None else '',
                units.human_size(replayed.data),
                units.human_size(sum(h.sent for h in happened.values()))
                if mode is None
                else '',
                f'{price:.1f} s',
                str(left),
            )
        )
    say()
    headings = (
        'Makespan of',
        'Planned',
        'Simulated',
        'Happened',
        'Data simulated',
        'Data happened',
        'Price',
        'Left out',
    )
    for line in table.grid(headings, lines):
        say(line)
    say('The price: what VMs bear, in weighed seconds out of service.')
    mixed, *single = figures
    return prices[0] < min(prices[1:]) and all(
        mixed[i] < other[i] for other in single for i in range(len(mixed))
    )


def judge(
    clients: Clients,
    plan: str,
    rows: Sequence[table.Row],
    happened: Mapping[str, Happened],
) -> list[str]:
    """What is not as it should be at the end; nothing, it is hoped."""
    wrong: list[str] = []
    state = clients.watcher.action_plan.get(plan).state
    if state != 'SUCCEEDED':
        wrong.append(f'the plan is {state}')
    where = {vm['name']: vm['host'] for vm in clients.state()['vms'].values()}
    wrong += [
        f'{row.name} is on {where[row.name]}, not {row.destination}'
        for row in rows
        if where[row.name] != row.destination
    ]
    if len(rows) != len(rack(WRITTEN).vms):
        wrong.append(
            f'{len(rows)} of {len(rack(WRITTEN).vms)} VMs were planned'
        )
    if not compare(rows, happened):
        wrong.append('a single mode is as fast, or takes as little')
    return wrong


def play(clients: Clients) -> int:
    """Audit, plan, approval, execution, comparison; an exit code."""
    cloud = rack(WRITTEN)
    sources = tuple(sorted({vm.host for vm in cloud.vms}))
    say(
        f'A rack of {len(sources)} hosts with {len(cloud.vms)} VMs at 1 '
        f'Gbit/s, and {len(cloud.hosts) - len(sources)} spare hosts. '
        f'Simulated time runs {SPEED:g} times faster.'
    )
    plan = make_audit(clients, sources)
    rows = show_plan(clients, plan)
    happened = carry_out(clients, plan, rows)
    wrong = judge(clients, plan, rows, happened)
    for text in wrong:
        say(f'WRONG: {text}')
    return 1 if wrong else 0


def serve(facts: Mapping[str, Any]) -> int:
    """Stay up for other clients until interrupted."""
    say('The playground is up. In another shell:')
    say()
    for name, value in sorted(facts['env'].items()):
        say(f'  export {name}={shlex.quote(value)}')
    say(f'  openstack optimize strategy show {STRATEGY}')
    say()
    say('Ctrl-C ends it.')
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        say('Ended.')
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo, or keep the playground up for other clients."""
    parser = argparse.ArgumentParser(
        prog='sh tools/demo.sh',
        description='Empty a rack of a simulated cloud with real Watcher, '
        'from audit to migrated VMs, and compare with a single mode.',
    )
    parser.add_argument(
        '--serve',
        action='store_true',
        help='only start the playground, and keep it up until Ctrl-C, for '
        'a real "openstack optimize" client',
    )
    arguments = parser.parse_args(argv)
    options = (
        f'--rack={WRITTEN}',
        f'--speed={SPEED}',
        f'--set=watcher_actions.{ACTION}/poll_interval=0.2',
        # its clock runs faster than the wall's
        f'--set=watcher_actions.{ACTION}/nova_requests=600',
    )
    try:
        with launch.playground(*options) as facts:
            if arguments.serve:
                return serve(facts)
            return play(Clients(facts))
    except errors.TsmigError as error:
        say(f'error: {error}')
        return 1


if __name__ == '__main__':
    sys.exit(main())
