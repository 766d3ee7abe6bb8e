"""The named policies: what an operator picks instead of turning knobs.

A policy is a row of a table, and a request is that row with the caller's
own values over it.
"""

import dataclasses
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.plan.values import Request


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much a drain may take from the tenants, for how much speed.

    :ivar urgency: seconds in which a VM does not serve that a second of the
        whole is worth
    :ivar nic_share: share of what the applications leave on a NIC
    :ivar nic_floor: share of a NIC taken even if they leave less
    """

    urgency: float
    nic_share: float
    nic_floor: float
    max_per_source: int
    max_per_destination: int
    max_in_cluster: int


# All take a fifth of each NIC if need be: with less, a drain whose NICs are
# full lasts so long that tenants lose more in all. gentle: most of what is
# free but one VM at a time on a host, as Nova's own default does, for what
# is moved slowly meets more of its own traffic; balanced: twice KubeVirt's
# and oVirt's two outgoing a host, where set-up times make that worth it;
# fast: all there is.
POLICIES = {
    'gentle': Policy(
        urgency=0.02,
        nic_share=0.9,
        nic_floor=0.2,
        max_per_source=1,
        max_per_destination=1,
        max_in_cluster=8,
    ),
    'balanced': Policy(
        urgency=1.0,
        nic_share=0.9,
        nic_floor=0.2,
        max_per_source=4,
        max_per_destination=4,
        max_in_cluster=32,
    ),
    'fast': Policy(
        urgency=20.0,
        nic_share=1.0,
        nic_floor=0.2,
        max_per_source=16,
        max_per_destination=16,
        max_in_cluster=128,
    ),
}
NAMES = tuple(POLICIES)
DEFAULT = 'balanced'


def request(name: str, **values: object) -> Request:
    """A request under the policy; `values` are fields of `Request`.

    :raises errors.InputError: no policy has that name, or a value is not
        one that `Request` takes
    """
    if name not in POLICIES:
        raise errors.InputError(
            f'{name!r} is none of {", ".join(NAMES)}', 'policy'
        )
    fields: dict[str, Any] = dataclasses.asdict(POLICIES[name])
    fields.update(values)
    return Request(**fields)
