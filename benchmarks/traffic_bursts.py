"""Whose bursts come, on a real trace: those that had some the day before.

A burst is one as an audit sees it (telemetry/metrics/bursts.py): five minutes
with more than twice the median of the hour before, and a Mbit/s more.
`each` takes every burst by itself: `caught` is the share of bursts before
which the same VM had one within a day, and `vms` the share of VMs that had
one within a day before any moment. An audit looks an hour ahead, and a burst
that begins in it makes no second one foreseen: `day` are the bursts of the
hour after a moment of VMs that had one in the day before the moment, `window`
of those that had one within what traffic is foretold from. `told` beside
`came` is the share of that hour that VMs are told to burst, and that they
did, by how much was told.
"""

import numpy as np

from watcher_tsmig.telemetry.metrics.bursts import BEFORE
from watcher_tsmig.telemetry.metrics.bursts import bursts
from watcher_tsmig.telemetry.metrics.bursts import spreads
from watcher_tsmig.telemetry.settings import Settings

SPAN = 300.0
HOUR = int(BEFORE / SPAN)
REACH = {
    'day': int(Settings().burst_window / SPAN),
    'window': int(Settings().window / SPAN),
}
DAY = REACH['day']
# kB/s of the trace in bytes/s, in which bursts are defined
KB = 1e3
# Every so many points a moment is judged: no divisor of a day
EVERY = 23
BINS = (0.0, 0.003, 0.01, 0.03, 0.1, 1.0)


def judge(
    trace: np.ndarray, way: str, between: tuple[int, int]
) -> dict[str, object]:
    """One direction.

    :param trace: shape (VMs, points), kB/s; NaN where nobody measured
    :param between: points of which moments are judged
    """
    had: dict[str, list[np.ndarray]] = {name: [] for name in REACH}
    told, came = [], []
    first, last = max(between[0], DAY), min(between[1], trace.shape[1]) - HOUR
    for at in range(first, last, EVERY):
        before, after = trace[:, at - DAY : at], trace[:, at : at + HOUR]
        known = np.isnan(before)[:, ::-1].argmax(1)
        known[~np.isnan(before).any(1)] = DAY
        live = ~np.isnan(after).any(1) & (known >= 2 * HOUR)
        before, known = KB * np.nan_to_num(before[live]), known[live]
        flags, _ = bursts(before, known, SPAN)
        for name, many in REACH.items():
            had[name].append(flags[:, -many:].any(1))
        told += [s.bursts for s in spreads(before, known, SPAN) if s]
        both = np.hstack([before[:, -HOUR:], KB * after[live]])
        all_of_it = np.full(len(both), 2 * HOUR)
        came.append(bursts(both, all_of_it, SPAN)[0].mean(1) * 2)
    shares, seen = np.array(told), np.concatenate([*came, []])
    return {
        'direction': way,
        'bursts': round(float(seen.mean()), 4) if len(seen) else None,
        'each': _each(trace, between),
        'of': {
            name: _of(np.concatenate([*flags, []]).astype(bool), seen)
            for name, flags in had.items()
        },
        'told': [
            {
                'vms': int(some.sum()),
                'told': round(float(shares[some].mean()), 4),
                'came': round(float(seen[some].mean()), 4),
            }
            for low, high in zip(BINS, BINS[1:], strict=False)
            if (some := (low <= shares) & (shares < high)).any()
        ],
    }


def _each(trace: np.ndarray, between: tuple[int, int]) -> dict[str, object]:
    """Each burst, by whether there was one in the day before it."""
    all_of_it = np.full(len(trace), trace.shape[1])
    flags, _ = bursts(KB * np.nan_to_num(trace), all_of_it, SPAN)
    flags &= ~np.isnan(trace)
    before = np.cumsum(flags, axis=1) - flags
    at = np.arange(max(between[0], DAY), min(between[1], trace.shape[1]))
    had = before[:, at] > before[:, at - DAY]
    return _of(had.ravel(), flags[:, at].ravel())


def _of(had: np.ndarray, came: np.ndarray) -> dict[str, float | None]:
    """How much of what came is of those that had some before."""
    total = float(came.sum())
    return {
        'caught': round(float(came[had].sum()) / total, 4) if total else None,
        'vms': round(float(had.mean()), 4) if len(had) else None,
    }
