"""Tests: unit, property, functional; no helper of one kind lives here.

Only the bound on a process of tests does: a test that hangs must end the
run with every thread's stack, not hang it.
"""

import faulthandler
import os

_SECONDS = float(os.environ.get('TSMIG_TEST_TIMEOUT') or 0)
if _SECONDS > 0:
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
