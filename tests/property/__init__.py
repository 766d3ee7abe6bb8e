"""Property tests; only hypothesis' settings for all of them live here.

A run is the same each time, and how long an example takes says nothing.
TSMIG_PROPERTIES=search looks for new examples instead.
"""

import os

import hypothesis

SLOW = (
    hypothesis.HealthCheck.too_slow,
    hypothesis.HealthCheck.data_too_large,
)
hypothesis.settings.register_profile(
    'steady',
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=SLOW,
)
hypothesis.settings.register_profile(
    'search', deadline=None, max_examples=1000, suppress_health_check=SLOW
)
hypothesis.settings.load_profile(os.environ.get('TSMIG_PROPERTIES', 'steady'))
