"""What agents count of VMs' pages, for the dry run.

A few VMs, host by host side by side and on each host one after another,
within a bound of time. Nothing is made up for a VM that nobody could sample.
"""

import concurrent.futures
import logging
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.model import Contents
from watcher_tsmig.model import Vm
from watcher_tsmig.telemetry.agents import Asker

LOG = logging.getLogger(__name__)

# Some 0.8 s a look on the laboratory's hosts; of a share it is sure within
# 5 points of a hundred.
PAGES = 1024
# s between the looks, about as long as a round; no more than this share of
# what an answer may take, since the looks themselves take some.
APART, OF_ANSWER = 2.0, 0.4
# Hosts asked at once, and s in all.
AT_ONCE = 8
WITHIN = 30.0

Found = tuple[Vm, Contents | str]


def read_contents(
    asker: Asker,
    vms: Sequence[Vm],
    notes: list[str],
    *,
    timeout: float,
) -> dict[str, Contents]:
    """What the pages of these VMs hold, by id, as far as anybody could look.

    :param timeout: of an agent's answer, s
    """
    hosts: dict[str, list[Vm]] = {}
    for vm in vms:
        hosts.setdefault(vm.host, []).append(vm)
    if not hosts:
        return {}
    end = time.monotonic() + WITHIN
    apart = min(APART, OF_ANSWER * timeout)
    pool = concurrent.futures.ThreadPoolExecutor(min(AT_ONCE, len(hosts)))
    asked = [
        pool.submit(_of_host, asker, some, apart, end)
        for some in hosts.values()
    ]
    told = [found for future in asked for found in future.result()]
    pool.shutdown()
    missing = [(vm, what) for vm, what in told if isinstance(what, str)]
    if missing:
        vm, why = missing[0]
        notes.append(
            f'pages of {len(missing)} of {len(vms)} VMs were not sampled, '
            f'such as {vm.name}: {why}'
        )
    return {vm.id: what for vm, what in told if isinstance(what, Contents)}


def _of_host(
    asker: Asker, vms: Sequence[Vm], apart: float, end: float
) -> list[Found]:
    """One VM after another; a host is not to be busy with this."""
    return [(vm, _of_vm(asker, vm, apart, end)) for vm in vms]


def _of_vm(asker: Asker, vm: Vm, apart: float, end: float) -> Contents | str:
    """What its pages hold, or why nobody knows."""
    if time.monotonic() > end:
        return f'there was no time left of {WITHIN:g} s'
    arguments = {'vm': vm.id, 'pages': PAGES, 'apart': apart}
    try:
        told = asker.ask(vm.host, 'sample_contents', arguments)
        return _read(told)
    except (errors.CloudError, Refusal) as error:
        LOG.info('%s on %s: %s', vm.name, vm.host, error)
        return str(error)


def _read(told: Mapping[str, Any]) -> Contents | str:
    try:
        return Contents(
            pages=told['pages'],
            zero=told['zero'],
            written=told['written'],
            blanked=told['blanked'],
            apart=told['apart'],
            measured_at=time.time(),
            source='agent',
        )
    except (KeyError, errors.InputError) as error:
        return f'its agent speaks another version ({error})'
