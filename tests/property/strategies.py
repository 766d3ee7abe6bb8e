"""Hypothesis strategies that invent clouds, the whole range that is valid.

Only inventing lives here, nothing that judges. Sizes are bytes, rates bytes
per second. `clouds()` gives everything that a snapshot can hold; with
`roomy=True` hosts have room, so that most VMs find a destination, and with
`bonds=False` nothing binds hosts and VMs but NICs, memory and CPUs: no
links, groups, zones, aggregates or disks.
"""

import itertools

from hypothesis import strategies as st

from watcher_tsmig import model
from watcher_tsmig import units

GBIT = 1000 * units.MBIT

names = st.text(min_size=1, max_size=20)
amounts = st.floats(0, 1e15, allow_subnormal=False)
sizes = st.floats(1, 1e15)
instants = st.none() | st.floats(0, 4e9, allow_subnormal=False)
flags = st.booleans()
zones = st.sampled_from((None, None, 'az-1', 'az-2'))


def rates(most: float = 10 * GBIT) -> st.SearchStrategy[float]:
    """Rates from nothing to `most`, nothing and round ones often."""
    return st.sampled_from((0.0, most / 10, most)) | st.floats(
        0, most, allow_subnormal=False
    )


@st.composite
def nics(draw: st.DrawFn) -> model.Nic:
    """1, 10 or any Gbit/s, with or without background."""
    capacity = draw(
        st.sampled_from((GBIT, 10 * GBIT)) | st.floats(1e6, 100 * GBIT)
    )
    return model.Nic(
        capacity=capacity,
        background_tx=draw(rates(capacity)),
        background_rx=draw(rates(capacity)),
        separate=draw(flags),
        tenants=draw(st.none() | st.just(GBIT)),
        upper_tx=draw(st.none() | rates(capacity)),
        upper_rx=draw(st.none() | rates(capacity)),
    )


@st.composite
def hosts(draw: st.DrawFn, name: str, *, roomy: bool = False) -> model.Host:
    """A host that may be disabled or down, or have an unknown NIC."""
    return model.Host(
        name=name,
        memory=256 * units.GIB if roomy else draw(amounts),
        vcpus=256.0 if roomy else draw(st.integers(0, 512).map(float)),
        nic=draw(st.none() | nics()),
        post_copy=draw(st.none() | flags),
        enabled=draw(flags),
        up=draw(flags),
        disk=draw(st.none() | amounts),
        zone=draw(zones),
        max_outgoing=draw(st.none() | st.integers(1, 5)),
        agent=draw(flags),
        bandwidth=draw(st.none() | st.floats(1e6, 1e10)),
        nova=draw(st.none() | settings()),
    )


@st.composite
def settings(draw: st.DrawFn) -> model.NovaSettings:
    """How a Nova ends migrations, from stock to hurried."""
    return model.NovaSettings(
        downtime_limit=draw(st.sampled_from((0.1, 0.5, 2.0))),
        downtime_steps=draw(st.sampled_from((0, 3, 10))),
        downtime_delay=draw(st.sampled_from((0.0, 3.0, 75.0))),
        completion_timeout=draw(st.sampled_from((None, 30.0, 800.0))),
        streams=draw(st.sampled_from((1, 4))),
        stream_window=draw(st.sampled_from((None, 4194304.0))),
        auto_converge=draw(flags),
    )


@st.composite
def spreads(draw: st.DrawFn) -> model.Spread:
    """How one direction of it varied."""
    p50, p95 = sorted((draw(rates()), draw(rates())))
    return model.Spread(
        p50=p50,
        p95=p95,
        bursts=draw(st.floats(0, 1)),
        watched=draw(st.floats(1, 1e6)),
    )


@st.composite
def traffics(draw: st.DrawFn) -> model.Traffic:
    """A VM's traffic."""
    return model.Traffic(
        tx=draw(rates()),
        rx=draw(rates()),
        measured_at=draw(instants),
        source=draw(names),
        tx_spread=draw(st.none() | spreads()),
        rx_spread=draw(st.none() | spreads()),
    )


@st.composite
def working_sets(
    draw: st.DrawFn, most: float = 64 * units.GIB
) -> model.WorkingSet:
    """Samples rise in time and never fall; not all are concave."""
    steps = draw(
        st.lists(
            st.tuples(st.floats(0.1, 60), st.floats(0, most / 8)), max_size=8
        )
    )
    return model.WorkingSet(
        resident=draw(st.floats(1, most)),
        samples=tuple(
            zip(
                itertools.accumulate(seconds for seconds, _ in steps),
                itertools.accumulate(dirtied for _, dirtied in steps),
                strict=True,
            )
        ),
        measured_at=draw(instants),
        source=draw(names),
    )


@st.composite
def contents(draw: st.DrawFn) -> model.Contents:
    """A sample of any size, of pages of any kind."""
    pages = draw(st.integers(1, 4096))
    shares = st.sampled_from((0.0, 0.5, 1.0)) | st.floats(
        0, 1, allow_subnormal=False
    )
    return model.Contents(
        pages=pages,
        zero=draw(shares),
        written=draw(st.integers(0, pages)),
        blanked=draw(shares),
        apart=draw(st.none() | st.floats(0.1, 10)),
        measured_at=draw(instants),
        source=draw(names),
    )


@st.composite
def vms(
    draw: st.DrawFn,
    vm_id: str,
    on: list[str],
    *,
    roomy: bool = False,
    bonds: bool = True,
) -> model.Vm:
    """A VM on one of the hosts `on`, measured or not, movable or not."""
    memory = draw(
        st.sampled_from((1.0, 4.0, 8.0)).map(lambda gib: gib * units.GIB)
        if roomy
        else sizes
    )
    return model.Vm(
        id=vm_id,
        name=draw(names),
        host=draw(st.sampled_from(on)),
        memory=memory,
        vcpus=float(draw(st.integers(0, 8))),
        traffic=draw(st.none() | traffics()),
        working_set=draw(st.none() | working_sets(memory)),
        post_copy=draw(flags),
        active=draw(flags),
        locked=draw(st.sampled_from((False, False, True))),
        excluded=draw(st.sampled_from((False, False, True))),
        disk=draw(st.just(0.0) | amounts) if bonds else 0.0,
        zone=draw(zones) if bonds else None,
        allowed=draw(st.none() | subsets(on)) if bonds else None,
        sla=draw(st.none() | names),
        contents=draw(st.none() | contents()),
    )


def subsets(of: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """Some of them, each once; none where there are none."""
    if not of:
        return st.just(())
    return st.lists(st.sampled_from(of), unique=True).map(tuple)


@st.composite
def links(draw: st.DrawFn, name: str, among: list[str]) -> model.Link:
    """A link with some of the hosts behind it."""
    return model.Link(
        name=name,
        hosts=draw(subsets(among)),
        capacity=draw(st.floats(1e6, 100 * GBIT)),
        background_out=draw(rates()),
        background_in=draw(rates()),
        rtt=draw(st.sampled_from((0.0, 0.01)) | st.floats(0, 1)),
    )


@st.composite
def groups(draw: st.DrawFn, name: str, among: list[str]) -> model.Group:
    """A server group of some of the VMs."""
    return model.Group(
        id=name,
        policy=draw(st.sampled_from(tuple(model.Affinity))),
        members=draw(subsets(among)),
        max_per_host=float(draw(st.integers(1, 3))),
    )


@st.composite
def passages(draw: st.DrawFn, vm: str, among: list[str]) -> model.Passage:
    """A migration of that VM that is under way."""
    ends = st.none() | st.sampled_from(among)
    source, to = draw(st.tuples(ends, ends).filter(any))
    return model.Passage(
        vm=vm,
        source=source,
        destination=to,
        left=draw(st.none() | st.floats(0, 1e12, allow_subnormal=False)),
        rate=draw(st.none() | st.floats(1e3, 10 * GBIT)),
    )


@st.composite
def clouds(
    draw: st.DrawFn,
    *,
    min_hosts: int = 0,
    max_hosts: int = 6,
    max_vms: int = 12,
    roomy: bool = False,
    bonds: bool = True,
) -> model.Cloud:
    """Hosts and VMs of every kind; no VMs where there is no host."""
    most = 2 if bonds else 0
    labels = draw(
        st.lists(names, min_size=min_hosts, max_size=max_hosts, unique=True)
    )
    ids = draw(st.lists(names, max_size=max_vms if labels else 0, unique=True))
    return model.Cloud(
        hosts=tuple(draw(hosts(name, roomy=roomy)) for name in labels),
        vms=tuple(draw(vms(i, labels, roomy=roomy, bonds=bonds)) for i in ids),
        taken_at=draw(instants),
        links=tuple(
            draw(links(name, labels))
            for name in draw(st.lists(names, max_size=most, unique=True))
        ),
        groups=tuple(
            draw(groups(name, ids))
            for name in draw(st.lists(names, max_size=most, unique=True))
        ),
        passages=tuple(
            draw(passages(name, labels)) for name in draw(subsets(ids))[:most]
        ),
    )
