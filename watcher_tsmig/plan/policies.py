"""The named policies: what an operator picks instead of turning knobs.

A policy is a row of a table, and a request is that row with the caller's
own values over it.
"""

import dataclasses
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.plan.values import Objective
from watcher_tsmig.plan.values import Request


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much a drain may take from the tenants, for how much speed.

    :ivar objective: what comes first
    :ivar nic_share: share of what the applications leave on a NIC
    :ivar nic_floor: share of a NIC taken even if they leave less
    """

    objective: Objective
    nic_share: float
    nic_floor: float
    max_per_source: int
    max_per_destination: int
    max_in_cluster: int


# gentle: half of what is free, one VM at a time on a host, as Nova's own
# default does; balanced: KubeVirt's and oVirt's two outgoing a host;
# fast: all there is, with a fifth of each NIC taken if need be.
POLICIES = {
    'gentle': Policy(
        objective=Objective.GENTLE,
        nic_share=0.5,
        nic_floor=0.05,
        max_per_source=1,
        max_per_destination=1,
        max_in_cluster=4,
    ),
    'balanced': Policy(
        objective=Objective.BALANCED,
        nic_share=0.9,
        nic_floor=0.1,
        max_per_source=2,
        max_per_destination=2,
        max_in_cluster=16,
    ),
    'fast': Policy(
        objective=Objective.FAST,
        nic_share=1.0,
        nic_floor=0.2,
        max_per_source=4,
        max_per_destination=4,
        max_in_cluster=64,
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
