"""What contention runs came to: kept as JSON lines, and told to people."""

import json
import pathlib
import statistics
import typing


def write(path: pathlib.Path, runs: list[dict[str, object]]) -> None:
    """Write the runs, one a line, whole."""
    partial = path.with_suffix('.partial')
    partial.write_text(''.join(json.dumps(run) + '\n' for run in runs))
    partial.rename(path)


def line(run: dict[str, typing.Any]) -> str:
    """One run, for people."""
    shares = '  '.join(
        f'{name} {_share(rates):.0%}'
        for name, rates in run['applications'].items()
    )
    longest = max(run['outages'].values())
    return (
        f'{run["repeat"]} {run["variant"]}: {run["total"]:.2f} s, longest '
        f'outage {longest:.2f} s, {shares}'
    )


def _share(rates: dict[str, float | None]) -> float:
    """Of an application's rate before, what it had during."""
    return (rates['during'] or 0.0) / (rates['before'] or 1.0)


def summary(name: str, runs: list[dict[str, typing.Any]]) -> str:
    """Means by variant, against the single modes, as JSON."""
    by: dict[str, list[dict[str, typing.Any]]] = {}
    for run in runs:
        by.setdefault(run['variant'], []).append(run)
    total = {
        variant: statistics.fmean(run['total'] for run in some)
        for variant, some in by.items()
    }
    found = {
        variant: {
            'n': len(some),
            'total': round(total[variant], 2),
            'of_all_pre': round(total[variant] / total['all pre-copy'], 3),
            'of_all_post': round(total[variant] / total['all post-copy'], 3),
            'application_share': round(
                statistics.fmean(
                    _share(rates)
                    for run in some
                    for rates in run['applications'].values()
                ),
                3,
            ),
            'longest_outage': round(
                max(max(run['outages'].values()) for run in some), 2
            ),
            'caps': sum(
                vm['cap'] is not None
                for run in some
                for vm in run['vms'].values()
            ),
            'in_force': sum(
                vm.get('in_force') is not None
                for run in some
                for vm in run['vms'].values()
            ),
            'stayed': sum(
                vm['status'] == 'cancelled'
                for run in some
                for vm in run['vms'].values()
            ),
            'corrupted': sum(
                vm.get('integrity', {}).get('bad', 0) > 0
                for run in some
                for vm in run['vms'].values()
            ),
        }
        for variant, some in by.items()
    }
    return json.dumps({name: found}, indent=1)
