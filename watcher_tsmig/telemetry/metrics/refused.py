"""What Gnocchi does not give, as its answers say it.

Only the reading of refusals lives here; what is then asked is measures.py's.
"""

from collections.abc import Sequence

from watcher_tsmig import errors

# Each of the metrics may have one, only all of them together do not
NO_MATCH = 'No granularity match'


def named(error: errors.CloudError, metrics: Sequence[str]) -> Sequence[str]:
    """The metrics that an answer says are not given; none if it is unclear."""
    if len(metrics) == 1:
        return metrics
    told = getattr(error.__cause__, 'message', None)
    if isinstance(told, dict) and told.get('reason') == NO_MATCH:
        return []
    return [metric for metric in metrics if metric in str(error)]


def is_refusal(error: errors.CloudError) -> bool:
    """Gnocchi answered, and the answer is no (4xx)."""
    code = getattr(error.__cause__, 'code', None)
    return isinstance(code, int) and 400 <= code < 500 and code not in (401,)


def cause(error: BaseException | None) -> str:
    """Gnocchi's reason without its details, which are ids."""
    told = getattr(error, 'message', None)
    if isinstance(told, dict):
        told = told.get('cause') or told.get('reason')
    return ' '.join(str(told or error).split())
