"""The figures of the laboratory's page come whole, or an error does."""

import contextlib
import io
import json
import lzma
import pathlib
import xml.etree.ElementTree as ET

import fixtures
import testtools

from benchmarks import lab_plots
from benchmarks import lab_runs
from watcher_tsmig import errors

MIB = 2**20


def recording(name='one', number=1, mode='pre-copy', **changes):
    """A document as the laboratory writes it; small and round."""
    return {
        'format': '1',
        'name': name,
        'number': number,
        'machine': {'reach': 200e6},
        'guest': {
            'memory': 160 * MIB, 'zero': 16 * MIB, 'resident': 144 * MIB,
            'disk': 0, 'writes': {'pattern': 'uniform', 'rate': 900},
        },
        'measured': {
            'working_set': [[0.1, MIB], [1.0, 8 * MIB], [3.0, 16 * MIB]],
            'sampling': [[1.0, 7 * MIB]],
            'dry_runs': [{'rounds': [[2.0, 14 * MIB]]}],
        },
        'how': {
            'mode': mode, 'cap': 20e6, 'post_cap': 20e6, 'link': None,
            'downtime_limit': 0.3, 'patience': 40.0, 'preempt': False,
            'disks': False,
        },
        'seen': {
            'disks': None,
            'rounds': [
                {'at': 0.02, 'transferred': 1 * MIB},
                {'at': 7.0, 'transferred': 144 * MIB},
                {'at': 8.0, 'transferred': 160 * MIB},
            ],
            'samples': {
                'seconds': [0.02, 4.0, 8.0],
                'remaining': [160 * MIB, 80 * MIB, 0],
                'transferred': [MIB, 80 * MIB, 160 * MIB],
            },
        },
        'outcome': {
            'status': 'completed', 'total': 8.1, 'downtime': 0.1,
            'transferred': 160.0 * MIB, 'rounds': 3, 'faults': 0,
        },
        'outage': [[8.0, 0.2]],
        'integrity': {'bad': 0},
        **changes,
    }  # fmt: skip


def contention(variant='all pre-copy', repeat=1, total=9.0, **changes):
    rates = {'before': 1e6, 'during': 5e5, 'after': 1e6}
    return {
        'variant': variant, 'repeat': repeat, 'total': total,
        'foretold': None, 'outages': {'a': 0.3},
        'applications': {'a sends': rates}, 'vms': {}, **changes,
    }  # fmt: skip


class PlotsCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.data = self.folder / 'data'
        self.out = self.folder / 'out'
        self.data.mkdir()

    def record(self, *documents):
        for document in documents:
            path = self.data / f'{document["name"]}.json'
            path.write_text(json.dumps(document))

    def lines(self, name, *rows):
        path = self.folder / name
        text = ''.join(json.dumps(row) + '\n' for row in rows)
        if path.suffix == '.xz':
            path.write_bytes(lzma.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = lab_plots.main(
                ['--data', str(self.data), '--out', str(self.out)]
                + [str(w) for w in words]
            )
        return code, out.getvalue(), err.getvalue()

    def refused(self, *words):
        code, out, err = self.run_main(*words)
        self.assertEqual((1, ''), (code, out))
        self.assertEqual(1, err.count('\n'), err)
        self.assertFalse(self.out.exists())
        return err


class TestFigures(PlotsCase):
    def test_every_figure_is_written_whole(self):
        self.record(
            recording(),
            recording('two', 2, 'post-copy'),
            recording('three', 3, 'hybrid', outage=None),
        )
        pair = self.lines(
            'contention-pair.jsonl.xz', contention(), contention(repeat=2)
        )
        four = self.lines('four.jsonl', contention('ours', foretold=8.5))
        near = recording('lcb', lcb={'let_through': 0.9})
        lcb = self.lines('lcb.jsonl.xz', near)
        code, out, err = self.run_main(
            '--contention', pair, four, '--lcb', lcb
        )
        self.assertEqual((0, ''), (code, err))
        names = sorted(pathlib.Path(line).name for line in out.splitlines())
        self.assertEqual(
            [
                'lab-bytes.svg', 'lab-contention-four-share.svg',
                'lab-contention-four-total.svg',
                'lab-contention-pair-share.svg',
                'lab-contention-pair-total.svg', 'lab-lcb.svg',
                'lab-outage.svg', 'lab-rounds.svg', 'lab-total.svg',
                'lab-working-set.svg',
            ],
            names,
        )  # fmt: skip
        self.assertEqual(names, sorted(p.name for p in self.out.iterdir()))
        for path in self.out.iterdir():
            text = path.read_text('utf-8')
            ET.fromstring(text)
            self.assertNotIn('Nothing to show', text, path.name)

    def test_one_that_never_ends_is_in_no_figure_of_those_that_did(self):
        given_up = {**recording()['outcome'], 'status': 'cancelled'}
        self.record(recording(), recording('two', 2, outcome=given_up))
        self.assertEqual(0, self.run_main()[0])
        text = (self.out / 'lab-total.svg').read_text('utf-8')
        self.assertIn('<title>one</title>', text)
        self.assertNotIn('<title>two</title>', text)

    def test_the_example_can_be_named(self):
        self.record(recording(), recording('two', 2))
        self.run_main('--example', 'two')
        text = (self.out / 'lab-rounds.svg').read_text('utf-8')
        self.assertIn('pre-copy: two', text)
        self.out.rename(self.folder / 'before')
        self.assertIn("named 'three'", self.refused('--example', 'three'))


class TestReaders(PlotsCase):
    def test_rounds_are_what_was_sent_between_two_syncs(self):
        self.record(recording())
        found = lab_runs.trace(self.data, 'one')
        # the first began with the migration; the last one sent nothing
        self.assertEqual(((0.02, 144 * MIB), (7.0, 16 * MIB)), found.rounds)
        self.assertEqual((8.0, 0), found.left[-1])

    def test_a_share_is_of_the_throughput_before(self):
        path = self.lines('x.jsonl', contention())
        (run,) = lab_runs.contention(path)
        self.assertEqual({'a sends': 0.5}, run.shares)

    def test_a_stuck_application_has_nothing_and_an_idle_one_no_share(self):
        rates = {'before': 1e6, 'during': None, 'after': None}
        idle = {'before': None, 'during': 1.0, 'after': None}
        path = self.lines(
            'x.jsonl', contention(applications={'a': rates, 'b': idle})
        )
        (run,) = lab_runs.contention(path)
        self.assertEqual({'a': 0.0}, run.shares)

    def test_what_is_wrong_is_said_with_its_place(self):
        for row in (
            [], {}, 7, contention(total='9'), contention(total=-1),
            contention(outages=[]), contention(applications={'a': {}}),
        ):  # fmt: skip
            path = self.lines('x.jsonl', contention(), row)
            error = self.assertRaises(
                errors.InputError, lab_runs.contention, path
            )
            self.assertEqual('x.jsonl:2', error.place)


class TestBadInput(PlotsCase):
    def test_there_is_one_line_and_nothing_is_written(self):
        self.assertIn('holds no', self.refused())
        self.record(recording())
        missing = self.folder / 'missing.jsonl'
        self.assertIn(str(missing), self.refused('--contention', missing))
        broken = self.lines('x.jsonl', contention())
        broken.write_text('{')
        self.assertIn('x.jsonl:1', self.refused('--contention', broken))
        packed = self.folder / 'y.jsonl.xz'
        packed.write_text('not packed')
        self.assertIn('cannot be read', self.refused('--lcb', packed))
        many = self.lines('z.jsonl', *(contention(str(i)) for i in range(99)))
        self.assertIn('too many', self.refused('--contention', many))
        bad = recording('two', seen={})
        self.record(bad)
        self.assertIn('two.json', self.refused('--example', 'two'))
