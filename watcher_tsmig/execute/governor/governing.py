"""The governor beside one execution: what it sees, and what came of it.

From an order to what the governor may do, and from counters to its words;
its rules are govern.py's, who obeys them is migration.py.
"""

import dataclasses
import math

from watcher_tsmig.execute.caps import Keeping
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.govern import Governor
from watcher_tsmig.execute.governor.govern_values import Decision
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.govern_values import Prospect
from watcher_tsmig.execute.values import Order
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode


@dataclasses.dataclass(slots=True)
class Governing:
    """One pre-copy under the governor.

    :ivar said: its latest word, for people; empty where it had none
    """

    policy: Policy
    order: Order
    keeping: Keeping
    governor: Governor | None = None
    said: str = ''

    def look(self, now: float, counters: Counters) -> Decision | None:
        """What it decides now, while Nova says `running`."""
        if self.order.mode is not Mode.PRE_COPY:
            return None
        if self.order.copies_disks and not counters.total:
            return None  # which go before its memory
        if self.governor is None:
            self.governor = Governor(self.policy, self._prospect(), now)
        caps = self.keeping.enforcement is Enforcement.ENFORCED
        if self.governor.prospect.caps is not caps:
            self.governor.prospect = dataclasses.replace(
                self.governor.prospect, caps=caps
            )
        decision = self.governor.look(now, counters)
        if decision is not None:
            self.said = decision.text
        return decision

    def _prospect(self) -> Prospect:
        order = self.order
        return Prospect(
            deadline=order.deadline,
            takes=order.takes - order.copies,
            settles=max(order.settles - order.copies, 0.0),
            cap=order.cap or math.inf,
            floor=order.floor,
            # what the plan leaves it: others have the rest of the links
            ceiling=max(order.cap, order.room or 0.0)
            if order.cap
            else math.inf,
            post_copy=order.post_copy_permitted,
        )
