"""Placement's traits: which hosts have those that flavors ask for.

One request for each trait, none where no flavor asks for any. Where
Placement does not answer its traits are unknown, and a note says so.
"""

from collections.abc import Collection
from collections.abc import Mapping

from openstack import exceptions as sdk_errors

from watcher_tsmig.telemetry.asking import CLIENT_ERRORS
from watcher_tsmig.telemetry.asking import text_of
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
    if not traits:
        return {}
    found: dict[str, frozenset[str]] = {}
    asked = sorted(traits)[:MAX_TRAITS]
    try:
        if source is not None:
            with source() as placement:
                for trait in asked:
                    having = _hosts(placement, trait, nodes, notes)
                    if having is not None:
                        found[trait] = having
            if len(asked) < len(traits):
                notes.append(f'Placement: only {MAX_TRAITS} traits are asked')
    except CLIENT_ERRORS as error:
        notes.append(f'Placement: traits: {text_of(error)}')
    unknown = len(traits) - len(found)
    if unknown:
        notes.append(
            f'it is unknown which hosts have {unknown} of the {len(traits)} '
            'traits that flavors ask for; the plan does not mind them'
        )
    return found


def _hosts(
    placement: Placement,
    trait: str,
    nodes: Mapping[str, str],
    notes: list[str],
) -> frozenset[str] | None:
    """Hosts that have the trait themselves or in a part of them."""
    try:
        providers = list(placement.resource_providers(required=trait))
    except sdk_errors.BadRequestException as error:
        # this trait does not exist; others may
        notes.append(f'Placement: {trait}: {text_of(error)}')
        return None
    roots = {p.root_provider_id or p.id for p in providers}
    return frozenset(nodes[root] for root in roots if root in nodes)
