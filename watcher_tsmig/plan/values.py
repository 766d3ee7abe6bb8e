"""A plan as plain data: what is asked, what moves, what stays, and why.

Values only, so that the planner, the checker, the simulator, the plugin and
the executor can all see them without seeing each other. Sizes are bytes,
rates bytes per second, times seconds from the start of the plan.
"""

import dataclasses
import enum
import math

from watcher_tsmig import errors
from watcher_tsmig.plan.classes import CLASSES
from watcher_tsmig.plan.classes import ServiceClass
from watcher_tsmig.plan.prices import Prices
from watcher_tsmig.reasons import Reason


class Mode(enum.StrEnum):
    """How a VM's memory travels."""

    PRE_COPY = 'pre-copy'
    POST_COPY = 'post-copy'
    HYBRID = 'hybrid'  # pre-copy, post-copy after the first pass

    @property
    def early(self) -> bool:
        """Its VM, and with it the VM's traffic, goes at the start."""
        return self is Mode.POST_COPY

    @property
    def switches(self) -> bool:
        """It ends in post-copy: owner and both hosts must permit that."""
        return self is not Mode.PRE_COPY


class Placement(enum.StrEnum):
    """Which destination is preferred among those with room."""

    SPREAD = 'spread'
    PACK = 'pack'


# How many at once, of each at least one.
ATS = (
    'max_per_source', 'max_per_destination', 'max_in_cluster',
    'max_per_group', 'assume_outgoing',
)  # fmt: skip
# From this urgency on time comes before everything else.
HURRIED = 10.0


class Enforcement(enum.StrEnum):
    """Who makes a choice come true: us, the host's own setting, nobody."""

    ENFORCED = 'enforced'
    HOST_DEFAULT = 'host default'
    ADVISORY = 'advisory'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an operator asks of the planner.

    :ivar hosts: names of the hosts to empty
    :ivar vms: ids of VMs to move beside those of `hosts`
    :ivar choices: pairs (id of a VM, host that it must go to): the
        operator's own word, of VMs that move anyway or because of it
    :ivar destinations: names allowed as destinations; empty for any
    :ivar releases: pairs (host, s from the start of the plan before which
        nothing may leave or enter it)
    :ivar max_per_group: migrations of one server group at once; more can
        fail late, where Nova checks the group's policy again
    :ivar urgency: weighed seconds in which a VM does not serve that a second
        of the whole is worth
    :ivar post_copy_saves: share of the makespan by which the post-copy of a
        VM that pre-copy would move must shorten the plan, if it harms more
    :ivar post_copy_loss: chance that a switch to post-copy loses its VM, and
        again that each minute after it does
    :ivar restore: s until a lost VM serves again
    :ivar failure: weighed s that a migration counts which does not end:
        somebody has to see to it
    :ivar classes: of service; a VM of a class that is not here, or of
        none, has no limit of outage and weight 1
    :ivar nic_share: share of what the applications leave on a NIC that
        migrations may use, 0 < share <= 1
    :ivar nic_floor: share of a NIC that migrations get even where the
        applications leave less (a TCP flow is never starved), 0 <= x < 1
    :ivar ceiling: no migration is faster than this, bytes/s
    :ivar downtime_limit: pre-copy stops for at most this long, s
    :ivar deadline: every migration ends by then, s; inf for none
    :ivar post_copy_assumed: writing that nobody measured is reason enough for
        a post-copy; else it is none while a pre-copy can be tried
    :ivar max_throttle: share of a VM's CPUs that auto-converge may take
    :ivar only_mode: every VM gets this mode, for comparisons
    :ivar assume_nic: capacity of a NIC that nobody declared, bytes/s
    :ivar assume_traffic: tx and rx of a VM that nobody measured, bytes/s
    :ivar assume_dirty_rate: dirtying of a VM that nobody measured, bytes/s
    :ivar assume_outgoing: migrations that may leave a host at once of which
        nobody said it; Nova's default is 1
    """

    hosts: tuple[str, ...] = ()
    vms: tuple[str, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    destinations: tuple[str, ...] = ()
    releases: tuple[tuple[str, float], ...] = ()
    max_per_source: int = 2
    max_per_destination: int = 2
    max_in_cluster: int = 16
    max_per_group: int = 1
    urgency: float = 1.0
    post_copy_saves: float = 0.1
    post_copy_loss: float = 1e-4
    restore: float = 4 * 3600.0
    failure: float = 600.0
    classes: tuple[ServiceClass, ...] = CLASSES
    nic_share: float = 1.0
    nic_floor: float = 0.1
    ceiling: float = math.inf
    downtime_limit: float = 0.5
    deadline: float = math.inf
    allow_post_copy: bool = True
    post_copy_assumed: bool = False
    max_throttle: float = 0.0
    only_mode: Mode | None = None
    placement: Placement = Placement.SPREAD
    assume_nic: float = 125e6
    assume_traffic: float = 12.5e6
    assume_dirty_rate: float = 50e6
    assume_outgoing: float = math.inf

    def __post_init__(self) -> None:
        checks = (
            (
                'hosts',
                bool(self.hosts or self.vms or self.choices),
                'names no host to empty, and no VM to move is named',
            ),
            (
                'releases',
                all(0 <= at < math.inf for _, at in self.releases),
                'has a time that is negative or not finite',
            ),
            *((name, getattr(self, name) >= 1, 'is below 1') for name in ATS),
            ('urgency', 0 < self.urgency < math.inf, 'is not above 0'),
            (
                'post_copy_saves',
                0 <= self.post_copy_saves < 1,
                'is not in [0, 1)',
            ),
            (
                'post_copy_loss',
                0 <= self.post_copy_loss <= 1,
                'is not in [0, 1]',
            ),
            ('restore', 0 <= self.restore < math.inf, 'is negative'),
            ('failure', 0 <= self.failure < math.inf, 'is negative'),
            ('nic_share', 0 < self.nic_share <= 1, 'is not in (0, 1]'),
            ('nic_floor', 0 <= self.nic_floor < 1, 'is not in [0, 1)'),
            ('ceiling', self.ceiling > 0, 'is not above 0'),
            ('downtime_limit', self.downtime_limit > 0, 'is not above 0'),
            ('max_throttle', 0 <= self.max_throttle < 1, 'is not in [0, 1)'),
            ('deadline', self.deadline > 0, 'is not above 0'),
            ('assume_nic', self.assume_nic > 0, 'is not above 0'),
            ('assume_traffic', self.assume_traffic >= 0, 'is negative'),
            ('assume_dirty_rate', self.assume_dirty_rate >= 0, 'is negative'),
        )
        for field, good, message in checks:
            if not good:
                raise errors.InputError(message, field)

    @property
    def hurried(self) -> bool:
        """Time comes before everything else."""
        return self.urgency >= HURRIED

    @property
    def patient(self) -> bool:
        """What VMs bear comes before time."""
        return self.urgency < 1

    def risk(self, split: float) -> float:
        """What so many s after a switch count beside the outage, s."""
        return self.post_copy_loss * self.restore * (1 + split / 60)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One VM's move.

    :ivar cap: bandwidth that it was planned with, bytes/s, never below
        `lcb`
    :ivar lcb: least convergent bandwidth, bytes/s; 0 for post-copy, which
        ends at any bandwidth
    :ivar slot: lane of the plan, from 1; one migration at a time in each
    :ivar start: s from the start of the plan
    :ivar takes: forecast total migration time, s
    :ivar takes_low: lower end of the forecast's interval, s
    :ivar takes_high: upper end of the forecast's interval, s
    :ivar downtime: forecast pause, s, and the `slow` phase after a switch
    :ivar data: forecast bytes sent
    :ivar because: one sentence for people
    :ivar runner_up: what the other mode would have cost, for people
    :ivar assumed: what nobody measured and was assumed (``traffic``,
        ``dirtying``, ``source nic``, ``destination nic``,
        ``source limit``)
    :ivar after: ids of the migrations that must end before this one
        starts, because they hold what it needs: a NIC, a slot, memory
    :ivar hop: 1; or 2 where the VM goes through a third host first,
        because it and others wait for each other's memory
    :ivar crosses: names of the shared links on its path
    :ivar binding: what limits it, for people: what a faster or earlier
        migration would need more of
    :ivar limit: bytes/s that it may take where others leave them, not
        below `cap`; None: no more than `cap`
    :ivar room: bytes/s that its path has for it beside all others of the
        plan, however late it is: what its cap may be raised to; None:
        nobody knows
    :ivar copies: of `takes`, what its local disks take, before its memory
    :ivar settles: until so many s after its start it is foretold to send
        about the same again and again, as where Nova's downtime limit still
        rises; 0: every round is clearly smaller
    :ivar alternatives: hosts that may take it instead, once all others of
        the plan have moved, the one with most room first
    """

    vm: str
    name: str
    source: str
    destination: str
    mode: Mode
    cap: float
    lcb: float
    slot: int
    start: float
    takes: float
    takes_low: float
    takes_high: float
    downtime: float
    data: float
    reason: Reason
    because: str
    runner_up: str
    assumed: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    hop: int = 1
    crosses: tuple[str, ...] = ()
    binding: str = ''
    mode_enforcement: Enforcement = Enforcement.ENFORCED
    cap_enforcement: Enforcement = Enforcement.ADVISORY
    limit: float | None = None
    room: float | None = None
    copies: float = 0.0
    settles: float = 0.0
    slow: float = 0.0
    alternatives: tuple[str, ...] = ()

    @property
    def most(self) -> float:
        """The cap to set, bytes/s."""
        return self.cap if self.limit is None else self.limit

    @property
    def id(self) -> str:
        """Unique in a plan: the VM's id, with the hop if not the first."""
        return self.vm if self.hop == 1 else f'{self.vm}#{self.hop}'

    @property
    def end(self) -> float:
        """When it ends, s from the start of the plan."""
        return self.start + self.takes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One VM that stays, and why."""

    vm: str
    name: str
    host: str
    reason: Reason
    because: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What more of something would do to a plan.

    :ivar what: for people: ``1 Gbit/s more on cmp-07's outgoing NIC``
    :ivar spares: s by which the makespan would fall
    :ivar moves: VMs that would move beside those that do
    """

    what: str
    spares: float
    moves: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Migrations by start time, the VMs left out, and the bound.

    :ivar lower_bound: no plan for the same migrations can end sooner, s
    :ivar peak_load: largest contention of the design's model, as a share
        of a NIC's capacity (applications against migrations)
    :ivar peak_bound: no choice of modes has a smaller one
    :ivar critical: what binds the whole, for people
    :ivar purchases: what one more of what binds it would do
    :ivar shortfall: s by which the whole would miss the deadline; 0 where
        it meets it or there is none
    :ivar prices: what VMs bear, in weighed seconds
    """

    request: Request
    migrations: tuple[Migration, ...]
    left_out: tuple[LeftOut, ...]
    lower_bound: float
    peak_load: float
    peak_bound: float = 0.0
    critical: str = ''
    purchases: tuple[Purchase, ...] = ()
    shortfall: float = 0.0
    prices: Prices = Prices()

    @property
    def makespan(self) -> float:
        """When the last migration ends, s; 0 for an empty plan."""
        return max((m.end for m in self.migrations), default=0.0)

    @property
    def gap(self) -> float:
        """(makespan - lower bound) / lower bound; 0 for an empty plan."""
        bound = self.lower_bound
        return self.makespan / bound - 1.0 if bound > 0 else 0.0

    @property
    def post_copies(self) -> int:
        """How many migrations end in post-copy."""
        return sum(m.mode.switches for m in self.migrations)

    @property
    def data(self) -> float:
        """Forecast bytes sent by all migrations."""
        return sum(m.data for m in self.migrations)

    @property
    def worst_downtime(self) -> float:
        """Longest forecast downtime, s; 0 for an empty plan."""
        return max((m.downtime for m in self.migrations), default=0.0)
