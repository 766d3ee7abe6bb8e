"""The figures of the laboratory's page, drawn from its recordings.

    python -m benchmarks.lab_plots --data DIR [--contention FILE ...]
        [--lcb FILE] [--example NAME] --out DIR

DIR of --data holds recorded migrations, as for benchmarks.lab. Each figure
is written whole; the names of those written are printed, one a line.
"""

import argparse
import os
import pathlib
import re
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from benchmarks import lab_forecast
from benchmarks import lab_records
from benchmarks import lab_runs
from benchmarks.lab_forecast import Told
from benchmarks.lab_records import MODES
from benchmarks.lab_records import Recorded
from benchmarks.lab_runs import Run
from benchmarks.lab_runs import Xy
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.terms import course
from watcher_tsmig.report import plot
from watcher_tsmig.report.plot import Caption
from watcher_tsmig.report.plot import Line
from watcher_tsmig.report.plot import Spot

Pair = tuple[Recorded, Told]
#: Name of a file and its text.
Figure = tuple[str, str]

# Of a fitted curve, over what was measured.
CURVE_POINTS = 60
# Of a round or of what is left, on a logarithmic axis.
LEAST_MIB = 0.1
# Of the migration that is shown where none is named: as many can be read.
ROUNDS = 8


def against(
    caption: Caption, pairs: Sequence[Pair], both: Callable[[Pair], Xy]
) -> str:
    """Forecast against actual of those that ended, by mode.

    :param both: (actual, forecast) of one
    """
    groups: dict[str, list[Spot]] = {mode: [] for mode in MODES}
    for pair in pairs:
        if pair[0].ended:
            x, y = both(pair)
            groups[pair[0].mode].append(Spot(x=x, y=y, name=pair[0].name))
    return plot.scatter(caption, groups)


def total_time(pairs: Sequence[Pair]) -> str:
    """Total time, of each that ended."""
    caption = Caption(
        title='Total migration time, foretold and measured',
        about='Each recorded migration that ended, by mode: its total time '
        'foretold from stop-and-compare against the one measured.',
        x='measured, s',
        y='foretold, s',
    )
    return against(caption, pairs, lambda p: (p[0].total, p[1].total))


def data(pairs: Sequence[Pair]) -> str:
    """Bytes sent, of each that ended."""
    caption = Caption(
        title='Bytes sent, foretold and measured',
        about='Each recorded migration that ended, by mode: what it would '
        'send, foretold from stop-and-compare, against what it sent.',
        x='measured, MiB',
        y='foretold, MiB',
    )
    return against(
        caption,
        pairs,
        lambda p: (units.to_mib(p[0].data), units.to_mib(p[1].data)),
    )


def outage(pairs: Sequence[Pair]) -> str:
    """The outage that was heard, and the one foretold."""
    caption = Caption(
        title='Outage by mode',
        about="Each recorded migration that ended: the heartbeat's longest "
        'silence, and the downtime or outage that was foretold. A dot is a '
        'migration, a line the mean.',
        x='s',
    )
    rows: dict[str, dict[str, list[float]]] = {}
    for mode in MODES:
        heard = [
            (r.outage, t.downtime)
            for r, t in pairs
            if r.mode == mode and r.ended and r.outage is not None
        ]
        rows[mode] = {
            'longest silence': [h for h, _ in heard],
            'foretold': [t for _, t in heard],
        }
    return plot.dots(caption, rows)


def contention_total(name: str, runs: Sequence[Run]) -> str:
    """Total time of each variant, every repeat a dot."""
    caption = Caption(
        title=f'Time until all have moved: {name}',
        about='Each variant was carried out several times: a dot is a run, '
        "a line the mean. Foretold is the plan's makespan, where its order "
        'and its caps were kept.',
        x='total time, s',
    )
    rows: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        row = rows.setdefault(run.variant, {'measured': [], 'foretold': []})
        row['measured'].append(run.total)
        if run.foretold is not None:
            row['foretold'].append(run.foretold)
    return plot.dots(caption, rows)


def contention_share(name: str, runs: Sequence[Run]) -> str:
    """Throughput meanwhile, of the one before."""
    caption = Caption(
        title=f'What applications keep of their throughput: {name}',
        about='Throughput of each application while guests move, of the one '
        'before, by variant. A dot is a run, a line the mean; 100 % is no '
        'loss.',
        x='throughput during, % of before',
    )
    rows: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for application, share in run.shares.items():
            row = rows.setdefault(run.variant, {})
            row.setdefault(application, []).append(100 * share)
    return plot.dots(caption, rows, at=100.0)


def example(recorded: Sequence[Recorded], name: str | None) -> Recorded:
    """The one whose rounds are shown: named, or with some of them.

    :raises errors.InputError: there is none
    """
    fit = [
        r for r in recorded
        if r.mode == 'pre-copy' and r.ended and not r.disk
        and name in (None, r.name)
    ]  # fmt: skip
    if not fit:
        raise errors.InputError(
            'holds no pre-copy without a disk that ended'
            + (f' and is named {name!r}' if name else ''),
            '--data',
        )
    return min(fit, key=lambda r: (abs(r.rounds - ROUNDS), r.name))


def foretold_rounds(recorded: Recorded) -> list[Xy]:
    """(s at its begin, bytes sent in it) of each round, and the end."""
    curves = lab_forecast.curve(recorded, 'compared')
    rules, terms = lab_forecast.rules(recorded), lab_forecast.terms(recorded)
    rate = lab_forecast.bandwidth(recorded, recorded.cap)
    found = pre_copy(curves, rate, rules, terms=terms)
    how = course(curves, np.array([rate]), rules, terms)
    sizes = [float(s) for s in found.rounds[0] if np.isfinite(s)]
    at, out = float(how.begin[0]), []
    for size in sizes:
        out.append((at, size))
        at += size / float(how.rate[0])
    end = float(found.t_sum[0])
    return [*out, (end if np.isfinite(end) else at, sizes[-1])]


def rounds(folder: pathlib.Path, recorded: Recorded) -> str:
    """One migration as time went by."""
    seen = lab_runs.trace(folder, recorded.name)
    end = (seen.left[-1][0], seen.rounds[-1][1] if seen.rounds else 0.0)
    caption = Caption(
        title=f'Rounds of one pre-copy: {recorded.name}',
        about='What was left to send as time went by, and what was sent in '
        'each round, measured and foretold. The axis of bytes is '
        'logarithmic; what is below it is not drawn.',
        x='s since the order to migrate',
        y='MiB',
        log_y=True,
    )
    return plot.lines(
        caption,
        [
            Line(name='left, measured', points=_seen(seen.left)),
            Line(
                name='sent in each round, measured',
                points=_seen([*seen.rounds, end]),
                step=True,
            ),
            Line(
                name='sent in each round, foretold',
                points=_seen(foretold_rounds(recorded)),
                step=True,
                dashed=True,
            ),
        ],
    )


def _seen(points: Sequence[Xy]) -> list[Xy]:
    return [p for p in _mib(points) if p[1] >= LEAST_MIB]


def _mib(points: Sequence[Xy]) -> list[Xy]:
    return [(at, units.to_mib(size)) for at, size in points]


def working_set(recorded: Recorded) -> str:
    """One guest's writing: truth, page sampling, dry run."""
    caption = Caption(
        title=f'What one guest writes: {recorded.pattern}, three ways',
        about='Distinct memory written within a time: by stop-and-compare, '
        'the truth, with the curve fitted to it; by page sampling; by a '
        'dry run, whose rounds are the times. Both axes are logarithmic.',
        x='within, s',
        y='written, MiB',
        log_x=True,
        log_y=True,
    )
    times = [t for t, _ in recorded.working_set]
    curves = lab_forecast.curve(recorded, 'compared')
    fitted = [
        (float(t), float(curves.at(np.array([t]))[0]))
        for t in np.geomspace(min(times), max(times), CURVE_POINTS)
    ]
    series = [
        Line(
            name='stop and compare',
            points=_mib(recorded.working_set),
            joined=False,
        ),
        Line(name='page sampling', points=_mib(recorded.sampling),
             joined=False),
        Line(name='dry run', points=_mib(recorded.logged), joined=False),
        Line(name='fitted to stop and compare', points=_mib(fitted),
             dashed=True),
    ]  # fmt: skip
    return plot.lines(caption, series)


def lcb(trials: Sequence[lab_runs.Trial]) -> str:
    """What ended near the least convergent bandwidth, and what did not."""
    caption = Caption(
        title='Migrations near the least convergent bandwidth',
        about='Each migration by the bandwidth that it was let through, of '
        'the LCB predicted for its guest: whether it ended.',
        x='bandwidth, % of the predicted LCB',
    )
    rows: dict[str, dict[str, list[float]]] = {}
    for trial in trials:
        row = rows.setdefault(trial.guest, {'ended': [], 'did not end': []})
        kind = 'ended' if trial.ended else 'did not end'
        row[kind].append(100 * trial.share)
    return plot.dots(caption, rows, at=100.0)


def figures(args: argparse.Namespace) -> Iterator[Figure]:
    """All figures that the command line asks for.

    :raises errors.InputError: what is given cannot be used
    """
    recorded = lab_records.load(args.data)
    pairs = [(r, lab_forecast.ours(r)) for r in recorded]
    shown = example(recorded, args.example)
    yield 'lab-total', total_time(pairs)
    yield 'lab-bytes', data(pairs)
    yield 'lab-outage', outage(pairs)
    yield 'lab-rounds', rounds(args.data, shown)
    yield 'lab-working-set', working_set(shown)
    for path in args.contention:
        runs = lab_runs.contention(path)
        name = path.name.split('.')[0].removeprefix('contention-')
        name = re.sub(r'[^\w-]', '-', name)
        yield f'lab-contention-{name}-total', contention_total(name, runs)
        yield f'lab-contention-{name}-share', contention_share(name, runs)
    if args.lcb:
        yield 'lab-lcb', lcb(lab_runs.trials(args.lcb))


def write(folder: pathlib.Path, figure: Figure) -> pathlib.Path:
    """Write one figure whole."""
    path = folder / f'{figure[0]}.svg'
    partial = path.with_suffix('.partial')
    partial.write_text(figure[1], 'utf-8')
    os.replace(partial, path)
    return path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.lab_plots',
        description="Draw the figures of the laboratory's page.",
    )
    of = pathlib.Path
    out.add_argument('--data', type=of, required=True, help='recordings')
    out.add_argument('--contention', type=of, nargs='*', default=[])
    out.add_argument('--lcb', type=of, help='recordings near the LCB')
    out.add_argument('--example', help='whose rounds and writing are shown')
    out.add_argument('--out', type=of, required=True)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Write the figures; nothing is written where an input is wrong."""
    args = parser().parse_args(argv)
    try:
        made = list(figures(args))
        args.out.mkdir(parents=True, exist_ok=True)
        for figure in made:
            print(write(args.out, figure))
    except (errors.TsmigError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
