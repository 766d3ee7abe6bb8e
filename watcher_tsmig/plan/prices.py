"""What VMs bear under a plan, beside the plans of one mode only.

Values only, seen by all who see a plan's.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Weighed seconds in which a VM does not serve; `tasks.harm` says how.

    :ivar plan: of the plan
    :ivar pre_copy: of one with pre-copy wherever that is possible
    :ivar post_copy: likewise of post-copies
    """

    plan: float = 0.0
    pre_copy: float = 0.0
    post_copy: float = 0.0
