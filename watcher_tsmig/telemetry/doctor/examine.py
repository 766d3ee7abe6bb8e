"""All that a cloud tells of itself, for those who look after it.

Reading only, in one order, each part by itself: what fails is a value as
well. What it means is said elsewhere.
"""

import dataclasses
from collections.abc import Mapping

from openstack import utils as sdk_utils

from watcher_tsmig import errors
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.direct import GNOCCHI
from watcher_tsmig.telemetry.direct import Access
from watcher_tsmig.telemetry.direct import Direct
from watcher_tsmig.telemetry.direct import Origin
from watcher_tsmig.telemetry.direct import read_directly
from watcher_tsmig.telemetry.doctor.probes import Answer
from watcher_tsmig.telemetry.doctor.probes import probe_all
from watcher_tsmig.telemetry.metrics.metering import Metering
from watcher_tsmig.telemetry.metrics.metering import read_metering
from watcher_tsmig.telemetry.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read of a cloud.

    :ivar now: when, seconds since the epoch
    :ivar settings: how telemetry is read
    :ivar source: who is asked for measures; `none` for nobody
    :ivar endpoints: of the services in the catalogue, by type
    :ivar answers: of small questions to each API
    :ivar skews: s that each service's clock is ahead of ours, by type
    :ivar nova: newest microversion that Nova and we have; empty: unknown
    :ivar direct: the whole cloud; None where it could not be read
    :ivar failure: why it could not
    :ivar metering: of some VMs; None where Gnocchi was not asked
    :ivar agents: whether agents were asked
    :ivar options: of Watcher's own configuration, by `group/name`; None
        where nobody gave it
    """

    now: float
    settings: Settings
    source: str = GNOCCHI
    endpoints: Mapping[str, str]
    answers: tuple[Answer, ...] = ()
    skews: Mapping[str, float] = dataclasses.field(default_factory=dict)
    nova: str = ''
    direct: Direct | None = None
    failure: str = ''
    metering: Metering | None = None
    agents: bool = False
    options: Mapping[str, int | str] | None = None

    def answered(self, service: str) -> bool:
        """Whether a service answered, however."""
        return any(
            answer.probe.service == service and answer.status is not None
            for answer in self.answers
        )


def examine(
    access: Access,
    settings: Settings,
    *,
    now: float,
    origin: Origin,
    agents: Asker | None = None,
    options: Mapping[str, int | str] | None = None,
) -> Seen:
    """Ask everybody; what does not answer is told in the result.

    :param now: seconds since the epoch
    :param origin: who is asked for measures
    :param agents: asks the hosts' agents
    :param options: of Watcher's own configuration, where somebody gave it
    :raises errors.InputError: there is no such source of measures
    """
    seen = Seen(
        now=now,
        settings=settings,
        source=origin.name,
        endpoints=access.endpoints,
        answers=probe_all(access),
        agents=agents is not None,
        options=options,
    )
    if seen.answered('compute'):
        seen = dataclasses.replace(
            seen, **_cloud(access, seen, origin, agents)
        )
    client = None
    if origin.name == GNOCCHI and seen.answered('metric'):
        client = access.gnocchi()
    if client is not None and seen.direct is not None:
        vms = seen.direct.reading.cloud.vms
        seen = dataclasses.replace(
            seen, metering=read_metering(client, vms, settings, now)
        )
    return dataclasses.replace(
        seen, skews=access.tally.skews(access.endpoints)
    )


def _cloud(
    access: Access, seen: Seen, origin: Origin, agents: Asker | None
) -> dict[str, str | Direct]:
    try:
        version = ask(
            'its version',
            lambda: sdk_utils.maximum_supported_microversion(
                access.connection.compute, NEWEST
            ),
        )
        direct = read_directly(
            access,
            seen.settings,
            now=seen.now,
            origin=origin,
            agents=agents,
        )
    except errors.CloudError as error:
        return {'failure': str(error)}
    return {'nova': version or '', 'direct': direct}


# No release has that many.
NEWEST = '2.999'
