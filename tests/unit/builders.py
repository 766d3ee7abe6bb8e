"""Small builders of clouds for tests; every value can be overridden."""

from typing import Any

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

RULES = Rules()
GIGABIT = units.from_mbit_s(1000)
# Of a VM of 4 GB, 1 GB resident: pages of zeros, and bytes sent once.
ZEROS = 3e9 / RULES.page
SENT = 1e9 + ZEROS * RULES.zero_page


def host(name: str, **values: Any) -> Host:
    """A host with 64 GB, 32 vCPUs, 1 Gbit/s, an agent, and post-copy."""
    given = {
        'memory': 64e9,
        'vcpus': 32.0,
        'nic': Nic(capacity=GIGABIT),
        'post_copy': True,
        'agent': True,
    }
    return Host(name=name, **{**given, **values})


def vm(name: str, at: str, tx: float = 0.0, rx: float = 0.0, **v: Any) -> Vm:
    """A VM of 4 GB, 1 GB resident, writing 10 MB/s; tx, rx in Mbit/s."""
    given: dict[str, Any] = {
        'memory': 4e9,
        'vcpus': 2.0,
        'traffic': Traffic(tx=units.from_mbit_s(tx), rx=units.from_mbit_s(rx)),
        'working_set': writes(10e6),
    }
    return Vm(id=f'id-{name}', name=name, host=at, **{**given, **v})


def writes(rate: float, resident: float = 1e9) -> WorkingSet:
    """A working set that dirties `rate` bytes/s, up to all of it."""
    return WorkingSet(resident=resident, samples=((1.0, min(rate, resident)),))


def cloud(hosts: str, *vms: Vm, **values: Any) -> Cloud:
    """A cloud of the hosts named, separated by spaces.

    `values` override a host by its name: ``b=host('b', up=False)``.
    """
    parts = ('links', 'groups', 'passages')
    more = {k: values.pop(k) for k in parts if k in values}
    return Cloud(
        hosts=tuple(values.get(n, host(n)) for n in hosts.split()),
        vms=vms,
        **more,
    )


def idle(name: str, at: str, **values: Any) -> Vm:
    """A VM as `vm`, that writes nothing and sends nothing."""
    return vm(name, at, **{'working_set': writes(0.0), **values})


def step(name: str, way: str, start: float = 0.0, **values: Any) -> Migration:
    """A migration of an `idle` VM at 50 MB/s, written by hand.

    :param way: source and destination, as ``a>b``
    :param disk: bytes of local disk that goes along, under a cap
    """
    disk = values.pop('disk', 0.0)
    source, destination = way.split('>')
    post = values.get('mode') is Mode.POST_COPY
    cap = values.get('cap', 50e6)
    stands = RULES.post_copy_outage if post else 0.0
    stands = values.get('downtime', stands)
    takes = values.get('takes', lasts(cap, 2 * disk, post=post))
    given: dict[str, Any] = {
        'mode': Mode.PRE_COPY,
        'cap': cap,
        'lcb': 0.0 if post else 1e3,
        'slot': 1,
        'takes': takes,
        'takes_low': takes,
        'takes_high': takes,
        'downtime': stands,
        'slow': stands - RULES.switchover if post else 0.0,
        'data': SENT + disk,
    }
    return Migration(
        vm=f'id-{name}',
        name=name,
        source=source,
        destination=destination,
        start=start,
        reason=Reason.NO_CONTENTION,
        because='',
        runner_up='',
        **{**given, **values},
    )


def lasts(cap: float, disk: float = 0.0, *, post: bool = False) -> float:
    """How long a `step` at that cap takes, s."""
    each = RULES.zero_post_copy if post else RULES.zero_pre_copy
    return RULES.overhead + (SENT + disk) / RULES.rate(cap) + ZEROS * each


def plan(*steps: Migration, **asked: Any) -> Plan:
    """The plan of these migrations, of VMs asked for by their ids."""
    names = {step.vm for step in steps} - {
        v for v, _ in asked.get('choices', ())
    }
    request = Request(**{'vms': tuple(sorted(names)), **asked})
    return Plan(
        request=request,
        migrations=steps,
        left_out=(),
        lower_bound=0.0,
        peak_load=0.0,
    )
