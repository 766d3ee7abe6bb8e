"""What binds hosts and VMs together: shared links and server groups.

Only values live here. A link is a cut: it stands between the hosts behind
it and all others, so a rack's uplink and a WAN between two sites are the
same thing, and the path of a migration needs no routing table: it crosses
every link with one of its hosts behind it and the other not.
"""

import dataclasses
import enum

from watcher_tsmig.model import fields


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A full-duplex link shared by the hosts behind it; rates in bytes/s.

    `capacity` holds for each direction. The background is what crosses the
    link beside the traffic of the VMs known to the cloud, which is taken
    to cross every link that their host is behind.

    :ivar hosts: names of the hosts behind it
    :ivar background_out: away from the hosts behind it
    :ivar background_in: towards them
    :ivar rtt: round-trip time that it adds to a path, s
    """

    name: str
    hosts: tuple[str, ...]
    capacity: float
    background_out: float = 0.0
    background_in: float = 0.0
    rtt: float = 0.0

    def __post_init__(self) -> None:
        fields.text('name', self.name)
        fields.items('hosts', self.hosts, str)
        fields.unique('hosts', 'name', list(self.hosts))
        fields.number('capacity', self.capacity, low=0, above=True)
        fields.number('background_out', self.background_out, low=0)
        fields.number('background_in', self.background_in, low=0)
        fields.number('rtt', self.rtt, low=0)


class Affinity(enum.StrEnum):
    """Policies of server groups, by Nova's names."""

    TOGETHER = 'affinity'
    APART = 'anti-affinity'
    SOFT_TOGETHER = 'soft-affinity'
    SOFT_APART = 'soft-anti-affinity'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A server group; members that the cloud does not know do not count.

    :ivar policy: a value of `Affinity`
    :ivar members: ids of VMs
    :ivar max_per_host: of a hard anti-affinity group (Nova's
        max_server_per_host)
    """

    id: str
    policy: str
    members: tuple[str, ...]
    max_per_host: float = 1

    def __post_init__(self) -> None:
        fields.text('id', self.id)
        fields.choice('policy', self.policy, tuple(Affinity))
        fields.items('members', self.members, str)
        fields.unique('members', 'id', list(self.members))
        fields.number('max_per_host', self.max_per_host, low=1)
