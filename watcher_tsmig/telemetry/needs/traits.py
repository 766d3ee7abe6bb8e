"""Placement's traits: which hosts have those that flavors ask for.

One request for each trait, none where no flavor asks for any. Where
Placement does not answer its traits are unknown, and a note says so.
"""

from collections.abc import Collection
from collections.abc import Mapping

from openstack import exceptions as sdk_errors

from watcher_tsmig.telemetry.asking import CLIENT_ERRORS
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Placement
from watcher_tsmig.telemetry.clients import PlacementSource

# More than that many traits are not asked for; flavors use a handful.
MAX_TRAITS = 64


def read_traits(
    source: PlacementSource | None,
    traits: Collection[str],
    nodes: Mapping[str, str],
    notes: list[str],
) -> dict[str, frozenset[str]]:
    """For each trait that is known, the names of the hosts that have it.

    :param source: opens Placement's client; None if there is no Placement
    :param nodes: host name by the uuid of its hypervisor, which is that of
        its resource provider too
    """
    found: dict[str, frozenset[str]] = {}
    why = 'no Placement is configured'
    asked = sorted(traits)[:MAX_TRAITS]
    if source is not None and asked:
        why = f'at most {MAX_TRAITS} are asked for'
        try:
            with source() as placement:
                for trait in asked:
                    having, error = _hosts(placement, trait, nodes)
                    if error is None:
                        found[trait] = having
                    else:
                        why = error
        except CLIENT_ERRORS as error:
            why = f'Placement: {brief(error)}'
    if len(found) < len(traits):
        missing = min(set(traits) - set(found))
        notes.append(
            f'{len(traits) - len(found)} of {len(traits)} traits of flavors '
            f'are not minded, such as {missing}: {why}'
        )
    return found


def _hosts(
    placement: Placement, trait: str, nodes: Mapping[str, str]
) -> tuple[frozenset[str], str | None]:
    """Hosts that have the trait themselves or in a part of them.

    :returns: the hosts, and why they are unknown if they are
    """
    try:
        providers = list(placement.resource_providers(required=trait))
    except sdk_errors.BadRequestException as error:
        # this trait does not exist; others may
        return frozenset(), f'Placement: {brief(error)}'
    roots = {p.root_provider_id or p.id for p in providers}
    return frozenset(nodes[root] for root in roots if root in nodes), None
