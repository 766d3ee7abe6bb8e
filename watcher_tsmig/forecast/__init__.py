"""One VM at one bandwidth: rounds, time, downtime, bytes, LCB, cost."""

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.forecast.lcb import closed_form_lcb
from watcher_tsmig.forecast.lcb import least_convergent_bandwidth
from watcher_tsmig.forecast.migrations import CostWeights
from watcher_tsmig.forecast.migrations import Ending
from watcher_tsmig.forecast.migrations import Forecasts
from watcher_tsmig.forecast.migrations import cost
from watcher_tsmig.forecast.migrations import latest_start
from watcher_tsmig.forecast.migrations import post_copy
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.forecast.terms import copying
from watcher_tsmig.forecast.terms import settings
from watcher_tsmig.forecast.terms import weight_once

__all__ = (
    'Bracket',
    'CostWeights',
    'Curves',
    'Ending',
    'Forecasts',
    'Switch',
    'Terms',
    'closed_form_lcb',
    'copying',
    'cost',
    'fit',
    'hybrid',
    'latest_start',
    'least_convergent_bandwidth',
    'post_copy',
    'pre_copy',
    'settings',
    'weight_once',
)
