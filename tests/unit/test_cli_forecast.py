"""`openstack optimize tsmig forecast` answers without a cloud."""

import configparser
import csv
import importlib.metadata
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys

import fixtures
import testtools
import yaml
from cliff import app
from cliff import commandmanager
from osc_lib.command import command as osc

from tests.unit import builders
from tests.unit.builders import writes
from watcher_tsmig import units
from watcher_tsmig.cli import columns
from watcher_tsmig.cli import forecast as command
from watcher_tsmig.cli import table
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.model import Contents
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model import snapshot

ROOT = pathlib.Path(__file__).resolve().parents[2]
GROUP = 'openstack.infra_optim.v1'
NAME = 'optimize_tsmig_forecast'
WORDS = NAME.split('_')
#: 1 GiB that writes 10 MiB in 1 s and 20 MiB in 4 s.
CALM = ('--memory', '1024', '--dirty', '4:20', '--dirty', '1:10')


class Client(app.App):
    """A cliff program with this one command."""

    def configure_logging(self):
        """The test listens instead."""


class TestForecast(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(format='%(message)s'))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_it(self, *args):
        """Exit code and standard output of the command."""
        out = io.StringIO()
        commands = commandmanager.CommandManager('tsmig.none')
        commands.add_command(' '.join(WORDS), command.Forecast)
        client = Client('test', '0', commands, stdout=out, stderr=out)
        return client.run([*WORDS, *args]), out.getvalue()

    def rows(self, *args):
        code, text = self.run_it(*args, '-f', 'json')
        self.assertEqual(0, code, self.log.output)
        return json.loads(text)

    def fails(self, *args):
        """The error's one line."""
        code, text = self.run_it(*args)
        self.assertEqual((1, ''), (code, text))
        lines = self.log.output.strip().splitlines()
        self.assertEqual(1, len(lines), lines)
        return lines[0]

    def snapshot(self, *vms, **hosts):
        path = self.folder / 'rack.json'
        snapshot.dump(builders.cloud('a b', *vms, **hosts), path)
        return str(path)


class TestHosts(TestForecast):
    def test_the_settings_of_a_vms_host_hold_unless_others_are_asked_for(self):
        nova = NovaSettings(downtime_limit=2.0)
        path = self.snapshot(
            builders.vm('db', 'a', working_set=builders.writes(4e7)),
            a=builders.host('a', nova=nova),
        )
        asked = ('--snapshot', path, '--bandwidth', '700')
        lcb = {
            more: self.rows(*asked, *more)[0]['LCB']
            for more in ((), ('--downtime-limit', '2000'), ('--rules=qemu',))
        }
        theirs, same, plain = lcb.values()
        self.assertAlmostEqual(1.0, theirs / same)
        self.assertLess(theirs, plain)


class TestDryRun(TestForecast):
    def test_who_was_sampled_has_a_row_of_the_dry_run(self):
        seen = Contents(pages=4096, zero=0.5, written=2000, blanked=0.9)
        writes = builders.writes(3e8, 3e9)
        path = self.snapshot(
            builders.vm('seen', 'a', working_set=writes, contents=seen),
            builders.vm('unseen', 'a', working_set=writes),
            builders.vm('unknown', 'a', working_set=None, contents=seen),
            a=builders.host('a', post_copy=False),
        )
        rows = self.rows('--snapshot', path, '--bandwidth', '1000')
        self.assertEqual(
            [
                ('seen', 'pre-copy', 'stalls'),
                ('seen', 'dry run', 'converges'),
                ('unseen', 'pre-copy', 'stalls'),
                ('unknown', 'pre-copy', 'not-measured'),
            ],
            [(row['VM'], row['Mode'], row['Ending']) for row in rows],
        )
        self.assertLess(rows[1]['LCB'], rows[0]['LCB'] / 5)


class TestNumbers(TestForecast):
    def test_more_dirtied_than_there_is_memory_is_refused(self):
        line = self.fails('--memory', '4096', '--dirty', '1:5000')
        self.assertIn('--dirty', line)
        self.assertIn('4.0 GiB', line)

    def test_numbers_make_a_row_a_bandwidth(self):
        found = self.rows(*CALM, '--bandwidth', '300:700:200')
        self.assertEqual(
            [units.from_mbit_s(b) for b in (300, 500, 700)],
            [row['Bandwidth'] for row in found],
        )
        self.assertEqual(list(table.HEADINGS), list(found[0]))
        times = [row['Time'] for row in found]
        self.assertEqual(sorted(times, reverse=True), times)
        self.assertEqual({'converges'}, {row['Ending'] for row in found})
        for row in found:
            low, high = row['Interval']
            self.assertLessEqual(low, row['Time'])
            self.assertLessEqual(row['Time'], high)

    def test_the_table_is_for_people(self):
        code, text = self.run_it(*CALM, '--bandwidth', '300')
        self.assertEqual(0, code)
        for part in ('300 Mbit/s', 'pre-copy', ' s ', ' ms ', 'GiB'):
            self.assertIn(part, text)

    def test_every_format_of_cliff_works(self):
        args = (*CALM, '--bandwidth', '300')
        (expected,) = self.rows(*args)
        (row,) = csv.DictReader(io.StringIO(self.run_it(*args, '-fcsv')[1]))
        self.assertEqual(str(expected['Data']), row['Data'])
        (row,) = yaml.safe_load(self.run_it(*args, '-fyaml')[1])
        self.assertEqual(expected, row)
        text = self.run_it(*args, '-fvalue', '-cData', '-cRounds')[1]
        self.assertEqual(
            f'{expected["Data"]} {expected["Rounds"]}', text.strip()
        )

    def test_a_vm_that_writes_too_fast_says_what_it_needs(self):
        args = ('--memory=1024', '--dirty=1:90', '--bandwidth=500')
        (row,) = self.rows(*args)
        self.assertIsNone(row['Time'])
        self.assertEqual('stalls', row['Ending'])
        self.assertGreater(row['LCB'], units.from_mib(90))
        _, text = self.run_it(*args)
        self.assertIn('writes as fast as it is sent', text)
        self.assertIn('never', text)

    def test_post_copy_is_a_row_where_it_may_be(self):
        args = ('--memory=1024', '--dirty=1:90', '--bandwidth=500')
        found = self.rows(*args, '--post-copy')
        self.assertEqual(
            ['pre-copy', 'post-copy', 'hybrid'],
            [row['Mode'] for row in found],
        )
        self.assertEqual(units.GIB, found[1]['Data'])
        self.assertGreater(found[2]['Time'], found[1]['Time'])
        self.assertLess(found[2]['Slow phase'], found[1]['Slow phase'])
        # of a pre-copy all is pause, of the others a moment
        self.assertEqual(0.0, found[0]['Slow phase'])
        self.assertLess(found[1]['Pause'], 0.1)

    def test_a_cold_start_says_so_and_outcomes_narrow_it(self):
        args = (*CALM, '--bandwidth=300')
        (cold,) = self.rows(*args)
        self.assertEqual('cold', cold['Basis'])
        self.assertGreater(cold['Interval'][1], 1.4 * cold['Time'])
        learned = Calibration()
        for i in range(60):
            actual = 110.0 + i % 5
            learned.learn(100.0, actual, ('pre-copy',), ('pre-copy',))
        path = self.folder / 'calibration.json'
        path.write_text(learned.dumps())
        (row,) = self.rows(*args, '--calibration', str(path))
        self.assertEqual('calibrated', row['Basis'])
        self.assertAlmostEqual(1.12, row['Time'] / cold['Time'], delta=0.02)
        self.assertLess(row['Interval'][1], 1.1 * row['Time'])

    def test_a_vm_that_nobody_measured_is_unknown_not_calm(self):
        (row,) = self.rows('--memory=1024', '--bandwidth=500')
        self.assertEqual('not-measured', row['Ending'])
        self.assertIsNone(row['Time'])
        self.assertIsNone(row['Interval'][1])
        self.assertGreater(row['Interval'][0], 10.0)

    def test_a_deadline_raises_the_lcb_and_is_told(self):
        (free,) = self.rows(*CALM, '--bandwidth=300')
        (held,) = self.rows(*CALM, '--bandwidth=300', '--deadline=5')
        self.assertEqual('after-deadline', held['Ending'])
        self.assertEqual(free['Time'], held['Time'])
        self.assertGreater(held['LCB'], free['LCB'])

    def test_a_longer_downtime_ends_a_migration_earlier(self):
        (short,) = self.rows(*CALM, '--bandwidth=300')
        (long,) = self.rows(*CALM, '--bandwidth=300', '--downtime-limit=2000')
        self.assertLess(long['Time'], short['Time'])
        self.assertGreater(long['Pause'], 0.5)

    def test_novas_steps_cost_time_and_save_downtime(self):
        args = ('--memory=1024', '--dirty=1:25', '--bandwidth=300')
        (qemu,) = self.rows(*args)
        (nova,) = self.rows(*args, '--rules=nova')
        self.assertEqual('converges', nova['Ending'])
        self.assertGreater(nova['Time'], qemu['Time'])
        self.assertLess(nova['Pause'], qemu['Pause'])

    def test_the_link_shortens_the_downtime_only(self):
        (capped,) = self.rows(*CALM, '--bandwidth=300')
        (lifted,) = self.rows(*CALM, '--bandwidth=300', '--link=3000')
        self.assertAlmostEqual(capped['Pause'] / 10, lifted['Pause'])

    def test_weights_change_the_cost(self):
        prices = [
            self.rows(*CALM, '--bandwidth=300', f'--weights={name}')[0]
            for name in ('fast', 'balanced', 'frugal')
        ]
        self.assertAlmostEqual(prices[0]['Time'], prices[0]['Cost'])
        costs = [row['Cost'] for row in prices]
        self.assertEqual(sorted(set(costs)), costs)
        own = self.rows(*CALM, '--bandwidth=300', '--weights=0:0:2')
        self.assertAlmostEqual(2 * own[0]['Data'], own[0]['Cost'])


class TestSnapshot(TestForecast):
    def setUp(self):
        super().setUp()
        self.path = self.snapshot(
            builders.vm('db', 'a', working_set=writes(200e6)),
            builders.vm('web', 'a', post_copy=False),
            builders.vm('new', 'b', working_set=None),
            builders.vm('bare', 'b', working_set=WorkingSet(
                resident=1e9, samples=())),
            b=builders.host('b', post_copy=None),
        )  # fmt: skip

    def of(self, *args):
        return self.rows('--snapshot', self.path, '--bandwidth=1000', *args)

    def test_all_vms_are_forecast_with_the_modes_permitted(self):
        self.assertEqual(
            [
                ('db', 'pre-copy', 'stalls'),
                ('db', 'post-copy', 'converges'),
                ('db', 'hybrid', 'converges'),
                ('web', 'pre-copy', 'converges'),
                ('new', 'pre-copy', 'not-measured'),
                ('bare', 'pre-copy', 'not-measured'),
            ],
            [(r['VM'], r['Mode'], r['Ending']) for r in self.of()],
        )

    def test_some_are_picked_by_name_or_id_in_that_order(self):
        found = self.of('--vm', 'id-new', '--vm', 'web', '--vm', 'web')
        self.assertEqual(['new', 'web'], [r['VM'] for r in found])

    def test_one_command_says_the_same_as_its_numbers(self):
        (row,) = self.of('--vm', 'web')
        (same,) = self.rows(
            f'--memory={4e9 / units.MIB!r}',
            f'--resident={1e9 / units.MIB!r}',
            f'--dirty=1:{10e6 / units.MIB!r}',
            '--bandwidth=1000',
        )
        self.assertEqual({**row, 'VM': '-'}, same)

    def test_a_snapshot_without_vms_is_nothing_to_do(self):
        self.assertEqual([], self.rows('--snapshot', self.snapshot()))

    def test_a_vm_that_is_not_there_is_one_line(self):
        text = self.fails('--snapshot', self.path, '--vm', 'ghost')
        self.assertIn("--vm: 'ghost' is neither", text)

    def test_a_name_of_two_is_ambiguous(self):
        one, other = builders.vm('x', 'a'), builders.vm('y', 'a')
        object.__setattr__(other, 'name', 'x')
        path = self.snapshot(one, other)
        text = self.fails('--snapshot', path, '--vm', 'x')
        self.assertIn('names 2 VMs; give the id, for example id-x', text)

    def test_a_broken_snapshot_is_one_line_with_the_place(self):
        broken = self.folder / 'broken.json'
        broken.write_text('{"format_version": "1.0", "cloud"')
        text = self.fails('--snapshot', str(broken))
        self.assertIn('the text ends too early', text)


class TestErrors(TestForecast):
    def test_what_is_wrong_is_one_line_that_names_the_option(self):
        table = (
            ((), 'forecast: of which VM?'),
            (('--memory', 'lots'), "--memory: 'lots' is not a number"),
            (('--memory', '-1'), "--memory: '-1' is not above 0"),
            (('--memory', '1', '--resident', '2'), '--resident: is more'),
            (('--memory', '1', '--vm', 'x'), '--vm: needs --snapshot'),
            (('--memory', '9', '--dirty', '1'), 'not SECONDS:MIB'),
            (('--memory', '9', '--dirty', '0:1'), "--dirty: '0' is not"),
            (('--memory', '9', '--dirty', '1:nan'), "--dirty: 'nan' in"),
            ((*CALM, '--dirty', '1:3'), '--dirty: 1 s is given twice'),
            ((*CALM, '--dirty', '2:1'), 'cannot shrink with time'),
            ((*CALM, '--bandwidth', '0'), "--bandwidth: '0' is not above"),
            ((*CALM, '--bandwidth', '1:2'), 'neither MBIT_S nor LOW:HIGH'),
            ((*CALM, '--bandwidth', '9:1:1'), "'9:1:1' goes down"),
            ((*CALM, '--bandwidth', '1:9e9:1'), 'at most 1000'),
            ((*CALM, '--deadline', 'inf'), "--deadline: 'inf' is not above"),
            ((*CALM, '--calibration', 'x'), "--calibration: no file 'x'"),
            ((*CALM, '--calibration', '/dev/null'), 'not a regular file'),
            ((*CALM, '--rules', 'x'), "--rules: 'x' is none of qemu, nova"),
            ((*CALM, '--weights', '1:2'), "--weights: '1:2' is neither"),
            ((*CALM, '--weights', 'a:b:c'), 'nor SECOND:DOWNTIME:BYTE'),
            ((*CALM, '--weights', '0:0:0'), 'none below 0 and one above'),
            ((*CALM, '--weights', '1:-1:0'), 'needs finite weights'),
            ((*CALM, '--snapshot', 'x'), '--memory: is for a VM without'),
        )
        for args, part in table:
            with self.subTest(args=args):
                self.assertIn(part, self.last(*args))

    def last(self, *args):
        self.log = self.useFixture(fixtures.FakeLogger(format='%(message)s'))
        return self.fails(*args)


class TestColumns(testtools.TestCase):
    def test_people_read_units_and_programs_read_numbers(self):
        for column, human, machine in (
            (columns.Size(512 * units.MIB), '512 MiB', 512 * units.MIB),
            (columns.Size(float('inf')), 'endless', None),
            (columns.Span(0.044), '44 ms', 0.044),
            (columns.Span(float('inf')), 'never', None),
            (columns.Span(96.0), '96 s', 96.0),
            (columns.Rate(125e6), '1.0 Gbit/s', 125e6),
            (columns.Count(3.0), '3', 3),
            (columns.Count(float('nan')), '-', None),
            (
                columns.Interval((1.0, float('inf'))),
                '1.0 s to never',
                [1, None],
            ),
            (columns.Interval((2.0, 2.0)), '2.0 s', [2.0, 2.0]),
            (columns.Told(('stalls', 'it stalls')), 'it stalls', 'stalls'),
            (columns.Told(('converges', '')), 'converges', 'converges'),
        ):
            self.assertEqual(human, column.human_readable())
            self.assertEqual(machine, column.machine_readable())


class TestProgram(testtools.TestCase):
    """The stock client finds the command and runs it without a cloud."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg', 'utf-8')
        self.points = setup['entry_points'][GROUP].strip()

    def environment(self):
        """No cloud, no home; the command announced as setup.cfg says."""
        given = {k: v for k, v in os.environ.items() if k[:3] != 'OS_'}
        given |= {'HOME': str(self.folder), 'PYTHONPATH': str(ROOT)}
        for name in ('XDG_CONFIG_HOME', 'XDG_CACHE_HOME'):
            given.pop(name, None)
        known = importlib.metadata.entry_points(group=GROUP)
        if NAME not in known.names:
            # the package was installed before it had this command
            info = self.folder / 'announced-0.dist-info'
            info.mkdir()
            (info / 'METADATA').write_text(
                'Metadata-Version: 2.1\nName: announced\nVersion: 0\n'
            )
            (info / 'entry_points.txt').write_text(
                f'[{GROUP}]\n{self.points}\n'
            )
            given['PYTHONPATH'] += os.pathsep + str(self.folder)
        return given

    def openstack(self, *args):
        # installed beside the Python that runs the tests
        folder = pathlib.Path(sys.executable).parent
        program = shutil.which('openstack', path=str(folder))
        self.assertIsNotNone(program, f'no openstack client in {folder}')
        return subprocess.run(
            [program, *WORDS, *args],
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def test_setup_cfg_names_the_commands(self):
        found = {}
        for line in self.points.splitlines():
            name, _, place = (x.strip() for x in line.partition('='))
            point = importlib.metadata.EntryPoint(name, place, GROUP)
            found[name] = point.load()
        self.assertIs(command.Forecast, found[NAME])
        for name, kind in found.items():
            self.assertTrue(issubclass(kind, osc.Command), name)

    def test_openstack_optimize_tsmig_forecast_prints_json(self):
        done = self.openstack(*CALM, '--bandwidth=300', '-f', 'json')
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        (row,) = json.loads(done.stdout)
        self.assertEqual('converges', row['Ending'])

    def test_a_mistake_is_one_line_and_exit_code_1(self):
        done = self.openstack('--memory', 'lots')
        self.assertEqual((1, ''), (done.returncode, done.stdout))
        self.assertEqual(
            "--memory: 'lots' is not a number", done.stderr.strip()
        )
