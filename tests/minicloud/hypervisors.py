"""The hardware under the mini-cloud: guests, their writing, NICs, time.

One process stands for the hypervisors of all hosts, since their migrations
share links; `simulate.World` says how. It outlives every nova-compute, as
QEMU does. It answers requests of one JSON line on a UNIX socket; each is a
verb in VERBS and its arguments. Time is the wall clock; sizes are bytes,
rates bytes/s.
"""

import dataclasses
import json
import pathlib
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.agent.values import CARRIED
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import UNLIMITED_POST
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Contents
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.simulate.world import World

Answer = dict[str, Any]

# What a guest writes where a test says nothing: a quiet system.
WRITES = 4e6
HOT = 64e6
# How long a working set is told, s.
SPANS = (1.0, 5.0, 15.0, 60.0)
LONGEST_LINE = 1 << 16
# Of which shares are told, and s between two looks at them.
PAGES = 4096
LOOKS_APART = 2.0
#: What may break, in which phase, and what the driver is told of it.
BREAKS = {
    'run': ('pre-copy', 'failed'),
    'raise': ('pre-copy', 'broken'),
    'lose': ('post-copy', 'broken'),
}
# Carried by a NIC in each direction, bytes
NOTHING = {'tx': 0.0, 'rx': 0.0}
# bytes/s of a migration that stalls: too few for its counters to change
STALLED = 1e-9
# as QEMU leaves the source of a post-copy that failed
PAUSED = 3


@dataclasses.dataclass(slots=True, kw_only=True)
class Guest:
    """A domain; `state` is Nova's power state.

    :ivar writes: bytes/s that it dirties, up to `hot` distinct bytes
    :ivar zeros: share of its pages, and of those that it writes, that hold
        only zeros; None: it has no pages that anybody could read
    :ivar disks: bytes of each disk that goes along when it migrates
    :ivar pre: libvirt's cap of a pre-copy, MiB/s
    :ivar post: libvirt's cap of a post-copy, MiB/s; 0: none
    :ivar fails: what the next migration does: `check` and `pre` are refused
        at its destination, those of BREAKS break after `fails_after` bytes,
        `stall` sends no more after them; empty: nothing
    :ivar gone: it was destroyed in a post-copy, which goes on by itself
    """

    uuid: str
    name: str
    host: str
    memory: float
    state: int = 1
    tx: float = 0.0
    rx: float = 0.0
    writes: float = WRITES
    hot: float = HOT
    zeros: float | None = None
    disks: tuple[float, ...] = ()
    pre: int = UNLIMITED
    post: int = UNLIMITED_POST
    fails: str = ''
    fails_after: float = 0.0
    gone: bool = False

    @property
    def contents(self) -> Contents | None:
        """What its pages hold, as of a look at them 2 s apart."""
        if self.zeros is None:
            return None
        written = min(self.writes * LOOKS_APART, self.hot) / self.memory
        return Contents(
            pages=PAGES,
            zero=self.zeros,
            written=int(PAGES * min(written, 1.0)),
            blanked=self.zeros,
            apart=LOOKS_APART,
        )


@dataclasses.dataclass(slots=True, kw_only=True)
class Job:
    """A migration as its source sees it; `ended` says how, once it has."""

    source: str
    destination: str
    ended: str = ''
    data: float = 0.0


class Hypervisors:
    """All hosts, at one instant; its verbs hold one lock."""

    def __init__(self, nics: dict[str, float]) -> None:
        self._nics = nics
        self._novas: dict[str, NovaSettings] = {}
        self._guests: dict[str, Guest] = {}
        self._jobs: dict[str, Job] = {}
        self._carried: dict[str, dict[str, float]] = {}
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._world = World(self._cloud(), rules=Rules(efficiency=0.95))

    def answer(self, request: Answer) -> Answer:
        """Do what is asked.

        :raises errors.InputError: there is no such verb, guest or job
        """
        verb = VERBS.get(request.pop('verb', ''))
        if verb is None:
            raise errors.InputError('is not a verb', 'verb')
        with self._lock:
            self._advance()
            return verb(self, **request) or {}

    # -- verbs of a virt driver

    def connect(self, host: str, nova: dict[str, Any]) -> Answer:
        """A nova-compute starts: libvirt ends the pre-copies of the last."""
        self._novas[host] = NovaSettings(**nova)
        for uuid, job in list(self._jobs.items()):
            if job.source == host and not job.ended:
                self._end(uuid, 'cancelled')
        self._changed()
        return self.guests(host)

    def guests(self, host: str) -> Answer:
        """The domains of a host."""
        there = [g for g in self._guests.values() if not g.gone]
        mine = [g for g in there if g.host == host]
        return {'guests': [dataclasses.asdict(g) for g in mine]}

    def define(self, **values: Any) -> None:
        """A domain starts, or is there after a migration already."""
        uuid = values['uuid']
        if uuid not in self._guests:
            self._guests[uuid] = Guest(**values)
            self._changed()

    def destroy(self, uuid: str, host: str) -> None:
        """A domain ends, if it is on that host."""
        guest = self._guests.get(uuid)
        if guest is not None and guest.host == host:
            self._end(uuid, 'cancelled')
            if uuid in self._world.running():
                guest.gone, guest.fails = True, ''
                guest.pre, guest.post = UNLIMITED, UNLIMITED_POST
                self._world.cap(uuid, self._cap(guest, post_copy=True))
                return
            del self._guests[uuid]
            self._changed()

    def state(self, uuid: str, state: int) -> None:
        """It is paused, stopped, runs."""
        self._guest(uuid).state = state
        self._changed()

    def admit(self, uuid: str, stage: str = 'pre') -> None:
        """What a destination's libvirt says before a migration."""
        guest = self._guest(uuid)
        if guest.fails == stage:
            guest.fails = ''
            raise errors.InputError('refused on order', uuid)

    def start(self, uuid: str, destination: str, cap: float = 0.0) -> None:
        """A migration begins; a cap of 0 is none, as with libvirt.

        Which hands it to the memory and to each disk.
        """
        guest = self._guest(uuid)
        # Nova's own bandwidth is of memory, as a domain's caps are
        cap = cap / CARRIED or self._cap(guest)
        sizes = guest.disks
        mirrors = cap * sum(sizes) / max(sizes) if sizes else cap
        self._world.start(uuid, destination, cap=cap, mirrors=mirrors)
        self._jobs[uuid] = Job(source=guest.host, destination=destination)

    def progress(self, uuid: str) -> Answer:
        """The job as libvirt tells it; `ended` once it has."""
        job = self._jobs.get(uuid)
        if job is None:
            raise errors.InputError('has no job', uuid)
        if job.ended:
            return {'ended': job.ended, 'processed': job.data}
        return {'ended': '', **_told(self._world.progress(uuid))}

    def switch(self, uuid: str) -> None:
        """To post-copy, which QEMU refuses while disks are copied."""
        if uuid in self._world.running() and not (
            self._world.progress(uuid).total
        ):
            raise errors.InputError('sends no memory yet', uuid)
        self._world.switch(uuid)
        self._world.cap(uuid, self._cap(self._guest(uuid), post_copy=True))

    def pause(self, uuid: str) -> None:
        """Stop the guest until all is sent."""
        self._world.pause(uuid)

    def abort(self, uuid: str) -> None:
        """End a pre-copy."""
        self._world.abort(uuid)
        self._ended(uuid, 'cancelled')
        guest = self._guest(uuid)
        if guest.fails == 'stalled':  # the next one is sent again
            guest.fails = ''

    # -- verbs of an agent

    def domain(self, uuid: str) -> Answer:
        """A domain where its migration's source has it, and its job."""
        guest = self._guest(uuid)
        job = None
        if uuid in self._world.running():
            job = _told(self._world.progress(uuid))
        return {
            'host': guest.host,
            'runs_on': self._where(guest),
            'state': guest.state,
            'memory': guest.memory,
            'disks': len(guest.disks),
            'contents': guest.contents and dataclasses.asdict(guest.contents),
            'speeds': {'pre': guest.pre, 'post': guest.post},
            'job': job,
        }

    def set_speeds(self, uuid: str, pre: int, post: int) -> None:
        """Change a domain's caps, in flight too."""
        guest = self._guest(uuid)
        guest.pre, guest.post = pre, post
        if uuid in self._world.running():
            phase = self._world.progress(uuid).phase.value
            post_copy = phase == 'post-copy'
            self._world.cap(uuid, self._cap(guest, post_copy=post_copy))

    @staticmethod
    def _cap(guest: Guest, *, post_copy: bool = False) -> float:
        if guest.fails == 'stalled':
            return STALLED
        speeds = Speeds(pre=guest.pre, post=guest.post)
        return speeds.rate(post_copy=post_copy)

    def written(self, uuid: str, seconds: float) -> Answer:
        """The distinct bytes that a guest writes in so many seconds."""
        guest = self._guest(uuid)
        return {'dirtied': min(guest.writes * seconds, guest.hot)}

    def traffic(self, host: str) -> Answer:
        """What a host's NIC has carried, of guests and of migrations."""
        return {'at': self._world.now, **self._carried.get(host, NOTHING)}

    # -- verbs of tests

    def shape(self, uuid: str, **values: float | str) -> None:
        """Change what a guest does: one of SHAPES."""
        guest = self._guest(uuid)
        for name, value in values.items():
            if name not in SHAPES:
                raise errors.InputError('cannot be shaped', name)
            setattr(guest, name, value)
        self._changed()

    # -- the world

    def _guest(self, uuid: str) -> Guest:
        found = self._guests.get(uuid)
        if found is None or found.gone:
            raise errors.InputError('no such guest', uuid)
        return found

    def _advance(self) -> None:
        now = time.monotonic() - self._began
        self._count(now - self._world.now)
        while self._world.now < now:
            for event in self._world.step(now):
                if event.kind == 'completed':
                    self._arrived(event.vm)
            self._break()

    def _count(self, passed: float) -> None:
        for guest in self._guests.values():
            self._carry(guest.host, tx=guest.tx * passed, rx=guest.rx * passed)
        running = self._world.running()
        sent = {uuid: self._world.progress(uuid).processed for uuid in running}
        for uuid, total in sent.items():
            job, data = self._jobs[uuid], total - self._sent.get(uuid, 0.0)
            self._carry(job.source, tx=data)
            self._carry(job.destination, rx=data)
        self._sent = sent

    def _carry(self, host: str, tx: float = 0.0, rx: float = 0.0) -> None:
        carried = self._carried.setdefault(host, dict(NOTHING))
        carried['tx'] += tx
        carried['rx'] += rx

    def _break(self) -> None:
        for uuid in self._world.running():
            guest = self._guests[uuid]
            progress = self._world.progress(uuid)
            if progress.processed <= guest.fails_after:
                continue
            phase, how = BREAKS.get(guest.fails, ('', ''))
            if guest.fails in ('stall', 'lose') and (
                progress.phase.value == phase or not phase
            ):
                guest.fails = 'stalled'
                self._world.cap(uuid, STALLED)
            if phase != progress.phase.value:
                continue
            if phase == 'pre-copy':
                guest.fails = ''
                self._world.fail(uuid)
            else:
                guest.state = PAUSED
                guest.pre, guest.post = UNLIMITED, UNLIMITED_POST
            self._ended(uuid, how)

    def _arrived(self, uuid: str) -> None:
        guest = self._guests[uuid]
        if guest.gone:
            del self._guests[uuid]
            self._changed()
            return
        guest.host = self._jobs[uuid].destination
        # a domain that arrives has no caps
        guest.pre, guest.post = UNLIMITED, UNLIMITED_POST
        self._ended(uuid, 'completed')

    def _end(self, uuid: str, how: str) -> None:
        """A job's source goes; what is in post-copy cannot come back."""
        if uuid not in self._world.running():
            return
        if self._world.progress(uuid).phase.value == 'pre-copy':
            self._world.abort(uuid)
            self._ended(uuid, how)

    def _ended(self, uuid: str, how: str) -> None:
        job = self._jobs[uuid]
        last = self._world.done.get(uuid)
        broken = [d for d in self._world.broken if d.vm == uuid]
        done = last if how == 'completed' else (broken or [None])[-1]
        job.ended, job.data = how, done.data if done else 0.0

    def _changed(self) -> None:
        self._world = self._world.with_cloud(self._cloud())

    def _cloud(self) -> Cloud:
        hosts = tuple(
            Host(
                name=name,
                memory=1e12,
                vcpus=1e3,
                nic=Nic(capacity=speed),
                nova=self._novas.get(name),
            )
            for name, speed in self._nics.items()
        )
        return Cloud(
            hosts=hosts, vms=tuple(map(self._vm, self._guests.values()))
        )

    def _vm(self, guest: Guest) -> Vm:
        writes = guest.writes if guest.state == 1 else 0.0
        hot = min(guest.hot, guest.memory)
        return Vm(
            id=guest.uuid,
            name=guest.name,
            host=self._where(guest),
            memory=guest.memory,
            disks=tuple(guest.disks),
            vcpus=1,
            traffic=Traffic(tx=guest.tx, rx=guest.rx),
            contents=guest.contents,
            working_set=WorkingSet(
                resident=guest.memory,
                samples=tuple((s, min(writes * s, hot)) for s in SPANS),
            ),
        )

    def _where(self, guest: Guest) -> str:
        """A guest in post-copy runs at its destination already."""
        world = getattr(self, '_world', None)
        if world is not None and guest.uuid in world.running():
            return str(world.host_of(guest.uuid))
        return guest.host


def _told(progress: Any) -> Answer:
    told = dataclasses.asdict(progress)
    told['phase'] = progress.phase.value
    return told


SHAPES = ('tx', 'rx', 'writes', 'hot', 'zeros', 'fails', 'fails_after')
VERBS: dict[str, Callable[..., Answer | None]] = {
    'connect': Hypervisors.connect,
    'guests': Hypervisors.guests,
    'define': Hypervisors.define,
    'destroy': Hypervisors.destroy,
    'state': Hypervisors.state,
    'admit': Hypervisors.admit,
    'start': Hypervisors.start,
    'progress': Hypervisors.progress,
    'switch': Hypervisors.switch,
    'pause': Hypervisors.pause,
    'abort': Hypervisors.abort,
    'domain': Hypervisors.domain,
    'set_speeds': Hypervisors.set_speeds,
    'written': Hypervisors.written,
    'traffic': Hypervisors.traffic,
    'shape': Hypervisors.shape,
}


class _Handler(socketserver.StreamRequestHandler):
    """One request, one answer."""

    def handle(self) -> None:
        line = self.rfile.readline(LONGEST_LINE)
        try:
            answer = self.server.hypervisors.answer(json.loads(line))
        except (errors.TsmigError, TypeError, KeyError, ValueError) as error:
            answer = {'error': f'{type(error).__name__}: {error}'}
        self.wfile.write(json.dumps(answer).encode() + b'\n')


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, hypervisors: Hypervisors) -> None:
        pathlib.Path(path).unlink(missing_ok=True)
        super().__init__(path, _Handler)
        self.hypervisors = hypervisors


def main() -> None:
    """Serve; arguments: the socket, then HOST=BYTES_PER_SECOND each."""
    path, *hosts = sys.argv[1:]
    pairs = (text.split('=') for text in hosts)
    nics = {name: float(speed) for name, speed in pairs}
    with _Server(path, Hypervisors(nics)) as server:
        print('ready', flush=True)
        server.serve_forever()


if __name__ == '__main__':
    main()
