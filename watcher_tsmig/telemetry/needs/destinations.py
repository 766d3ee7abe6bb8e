"""Which hosts a VM may be on, as far as its flavor and project tell.

The rules of Nova's scheduler for host aggregates, and Placement's traits,
become one set of host names for each VM. Zones, capacity and server groups
are values of their own in the cloud. What of Nova's filters is switched on is
not known here: a flavor or an aggregate that names one of these rules is
taken to mean it.
Source: nova/scheduler/filters/aggregate_instance_extra_specs.py and
aggregate_multitenancy_isolation.py.
"""

import collections
import operator
import re
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.telemetry.clients import Aggregate
from watcher_tsmig.telemetry.clients import Server

SCOPE = 'aggregate_instance_extra_specs:'
TENANTS = 'filter_tenant_id'
# `trait:X` of a flavor, or `trait_GROUP:X` and `trait1:X` of a part of it
TRAIT = re.compile(r'trait([A-Za-z0-9_-]{0,64}):(\w{1,255})', re.ASCII)

NOTHING: Mapping[str, str] = types.MappingProxyType({})

Hosts = frozenset[str]
Wish = tuple[tuple[str, str], ...]

NUMERIC: dict[str, Callable[[float, float], bool]] = {
    '=': operator.ge,
    '==': operator.eq,
    '!=': operator.ne,
    '>=': operator.ge,
    '<=': operator.le,
}
TEXTUAL: dict[str, Callable[[str, str], bool]] = {
    's==': operator.eq,
    's!=': operator.ne,
    's<': operator.lt,
    's<=': operator.le,
    's>': operator.gt,
    's>=': operator.ge,
    '<in>': operator.contains,
}


def matches(value: str, wanted: str) -> bool:
    """Whether an aggregate's value is what an extra spec asks for."""
    words = wanted.split()
    name, rest = (words[0], words[1:]) if words else ('', [])
    if name == '<or>':
        return value in rest[::2]
    if name == '<all-in>':
        return bool(rest) and all(word in value for word in rest)
    if name in TEXTUAL:
        return bool(rest) and TEXTUAL[name](value, rest[0])
    if name in NUMERIC:
        try:
            return bool(rest) and NUMERIC[name](float(value), float(rest[0]))
        except ValueError:
            return False
    return value == wanted


def specs_of(server: Server) -> Mapping[str, str]:
    """The extra specs of the server's flavor; none where Nova hides them."""
    return getattr(server.flavor, 'extra_specs', None) or {}


def required_traits(wishes: Iterable[Mapping[str, str]]) -> set[str]:
    """All traits that are required or forbidden.

    :param wishes: extra specs, or what is asked for as they are
    """
    return {name for wish in wishes for name, _, _ in _traits(wish)}


def _traits(specs: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """Trait, part of the flavor, and what that part says of it."""
    for key, value in specs.items():
        found = TRAIT.fullmatch(key)
        if found is not None and value in ('required', 'forbidden'):
            yield found[2], found[1], value


class Destinations:
    """The hosts of a cloud, and who may be on which.

    :param hosts: their names
    :param traits: for each trait the hosts that have it; a trait that
        nobody could be asked about is not there
    """

    def __init__(
        self,
        aggregates: Sequence[Aggregate],
        hosts: Iterable[str],
        traits: Mapping[str, Hosts],
    ) -> None:
        self._hosts: Hosts = frozenset(hosts)
        self._traits = traits
        self._values = _values(aggregates, self._hosts)
        self._tenants = {
            host: {
                tenant
                for key, values in metadata.items()
                if key.startswith(TENANTS)
                for tenant in values
                if tenant
            }
            for host, metadata in self._values.items()
        }
        self._isolated = any(self._tenants.values())
        self._known: dict[tuple[Wish, str], tuple[str, ...] | None] = {}

    def allowed(
        self, server: Server, more: Mapping[str, str] = NOTHING
    ) -> tuple[str, ...] | None:
        """Names of the hosts that the server may be on; None for any.

        :param more: what is asked for besides its flavor's extra specs
        """
        wish = tuple(
            sorted(
                (key, value)
                for key, value in {**more, **specs_of(server)}.items()
                if key.startswith(SCOPE) or TRAIT.fullmatch(key)
            )
        )
        project = ''
        if self._isolated:
            project = getattr(server, 'project_id', None) or ''
        if not wish and not self._isolated:
            return None
        if (wish, project) not in self._known:
            found = self._fitting(dict(wish), project)
            self._known[wish, project] = (
                None if found == self._hosts else tuple(sorted(found))
            )
        return self._known[wish, project]

    def _fitting(self, specs: Mapping[str, str], project: str) -> Hosts:
        found = frozenset(
            host
            for host in self._hosts
            if self._tenant_fits(host, project)
            and all(
                self._aggregate_fits(host, key.removeprefix(SCOPE), wanted)
                for key, wanted in specs.items()
                if key.startswith(SCOPE)
            )
        )
        for trait, part, said in _traits(specs):
            having = self._traits.get(trait)
            if having is None:
                continue
            if said == 'required':
                found &= having
            elif not part:
                # of a part only the provider of that part must not have it
                found -= having
        return found

    def _tenant_fits(self, host: str, project: str) -> bool:
        tenants = self._tenants.get(host)
        return not tenants or project in tenants

    def _aggregate_fits(self, host: str, key: str, wanted: str) -> bool:
        values = self._values.get(host, {}).get(key, ())
        return any(matches(value, wanted) for value in values)


def _values(
    aggregates: Iterable[Aggregate], hosts: Hosts
) -> dict[str, dict[str, set[str]]]:
    """Of each host, what all its aggregates say; a comma separates values."""
    found: dict[str, dict[str, set[str]]] = {}
    for aggregate in aggregates:
        for host in hosts & set(aggregate.hosts or ()):
            metadata = found.setdefault(host, collections.defaultdict(set))
            for key, text in (aggregate.metadata or {}).items():
                metadata[key].update(v.strip() for v in str(text).split(','))
    return found
