"""Which faults of the table cannot be struck where, and why.

What is not named here strikes on every bed (faults.BEDS).
"""

import re

from benchmarks.fault_values import Fault

AGENT = 'its agents are the real ones, and do not lie'
LEFT_OUT = {
    'mini': (
        ('migration no-host', 'there it is what `destination full` is'),
        ('agent lying', AGENT),
        ('clock of the cloud', "its clock is this machine's"),
    )
}


def left_out(cloud: str, fault: Fault) -> str:
    """Why a fault is not tried there; empty: it is."""
    rows = LEFT_OUT.get(cloud, ())
    return next((why for name, why in rows if re.match(name, fault.name)), '')
