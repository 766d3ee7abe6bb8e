"""Classes of service: what the owner of a VM was promised.

Values only, seen by all who see a plan's.
"""

import dataclasses
import math

from watcher_tsmig import errors


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClass:
    """What the owner of a VM was promised; named by `Vm.sla`.

    :ivar max_outage: s that the VM may hardly serve; post-copy is not
        permitted where its outage is longer
    :ivar weight: of its outage against that of other VMs, > 0
    """

    name: str
    max_outage: float = math.inf
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.max_outage > 0:
            raise errors.InputError('is not above 0', 'max_outage')
        if not 0 < self.weight < math.inf:
            raise errors.InputError('is not above 0', 'weight')


CLASSES = (
    ServiceClass(name='gold', max_outage=1.0, weight=10.0),
    ServiceClass(name='silver'),
    ServiceClass(name='bronze', weight=0.1),
)
