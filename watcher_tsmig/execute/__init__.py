"""One planned migration carried out through the compute API and judged."""

from watcher_tsmig.execute.migration import carry_out
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.execute.values import Progress

__all__ = ('Order', 'Outcome', 'Pace', 'Progress', 'carry_out')
