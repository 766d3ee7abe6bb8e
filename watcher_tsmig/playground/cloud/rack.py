"""The demo's rack as a value: eight hosts to empty, eight spare ones.

The setting of the source: 1 Gbit/s, hosts of 16 GB, VMs of 5 GB, twelve
Redis servers that mostly send and four YCSB clients that mostly receive,
each asking three servers. Only numbers live here.
Source: Deshpande and Keahey, evaluation with Redis and YCSB.
"""

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.playground.cloud.cloud import identify

HOSTS = 8
CLIENTS = 4
SERVERS = 12
WRITTEN = 4  # Redis servers of the demo that are written over and over
ASKED = 3  # Redis servers per client

HOST_MEMORY = 16 * units.GIB
VM_MEMORY = 5 * units.GIB
VM_VCPUS = 2.0
HOST_VCPUS = 8.0
RESIDENT = 1.9 * units.GIB
NIC = units.from_mbit_s(1000)
ANSWERS = units.from_mbit_s(220)  # what one Redis server sends
QUESTIONS = units.from_mbit_s(22)  # what it receives
# distinct MiB dirtied within that many seconds
REDIS_WRITES = (
    (1, 24.0),
    (2, 46.0),
    (4, 88.0),
    (8, 165.0),
    (16, 300.0),
    (32, 520.0),
    (60, 800.0),
)
OVER_AND_OVER = (
    (1, 180.0),
    (2, 330.0),
    (4, 600.0),
    (8, 1000.0),
    (16, 1400.0),
)
YCSB_WRITES = (
    (1, 15.0),
    (2, 29.0),
    (4, 55.0),
    (8, 100.0),
    (16, 180.0),
    (32, 300.0),
    (60, 450.0),
)


def _host(name: str) -> Host:
    return Host(
        name=name,
        memory=HOST_MEMORY,
        vcpus=HOST_VCPUS,
        nic=Nic(capacity=NIC),
        post_copy=True,
    )


def _vm(
    name: str,
    host: str,
    tx: float,
    rx: float,
    writes: tuple[tuple[int, float], ...],
) -> Vm:
    samples = tuple((float(s), units.from_mib(m)) for s, m in writes)
    return Vm(
        id=identify('vm', name),
        name=name,
        host=host,
        memory=VM_MEMORY,
        vcpus=VM_VCPUS,
        traffic=Traffic(tx=tx, rx=rx, source='rack'),
        working_set=WorkingSet(
            resident=RESIDENT, samples=samples, source='rack'
        ),
    )


def rack(written: int = 0) -> Cloud:
    """The rack: four hosts hold a server and a client, four two servers.

    :param written: so many servers are written over and over, faster than a
        pre-copy can follow
    """
    sources = [f'cmp-{n:02}' for n in range(1, HOSTS + 1)]
    spares = [f'spare-{n:02}' for n in range(1, HOSTS + 1)]
    servers = [
        _vm(
            f'redis-{n + 1:02}',
            sources[n % HOSTS],
            ANSWERS,
            QUESTIONS,
            OVER_AND_OVER if n < written else REDIS_WRITES,
        )
        for n in range(SERVERS)
    ]
    # the first four hosts have their second server, the rest a client
    clients = [
        _vm(
            f'ycsb-{n + 1}',
            sources[HOSTS - CLIENTS + n],
            ASKED * QUESTIONS,
            ASKED * ANSWERS,
            YCSB_WRITES,
        )
        for n in range(CLIENTS)
    ]
    return Cloud(
        hosts=tuple(_host(name) for name in (*sources, *spares)),
        vms=(*servers, *clients),
    )
