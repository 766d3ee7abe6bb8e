"""The recorded migrations are read, refused when bad, and foretold."""

import contextlib
import io
import json
import lzma
import pathlib
import tempfile
import unittest
from typing import Any

from benchmarks import lab
from benchmarks import lab_records
from watcher_tsmig import errors

ROOT = pathlib.Path(__file__).parents[2]
RECORDED = ROOT / 'benchmarks' / 'recorded' / 'migrations'


def a_document(**changes: Any) -> dict[str, Any]:
    """One recording as text would hold it."""
    with lzma.open(next(RECORDED.glob('*.jsonl.xz')), 'rt') as file:
        document = json.loads(file.readline())
    assert isinstance(document, dict)
    return {**document, **changes}


class TestRecorded(unittest.TestCase):
    """What the committed set says; recorded on real QEMU."""

    found: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.found = lab.measure(lab_records.load(RECORDED))

    def test_it_is_as_large_as_it_must_be(self) -> None:
        self.assertGreaterEqual(self.found['migrations'], 60)
        self.assertLess(
            sum(p.stat().st_size for p in RECORDED.iterdir()), 3_000_000
        )

    def test_no_guest_was_corrupted(self) -> None:
        self.assertEqual(0, self.found['corrupted'])

    def test_total_time_is_foretold(self) -> None:
        pre = self.found['pre-copy']['total_time']
        self.assertGreaterEqual(pre['mean'], 0.975)
        self.assertGreaterEqual(pre['p10'], 0.94)
        for mode in ('post-copy', 'hybrid'):
            mean = self.found[mode]['total_time']['mean']
            self.assertGreaterEqual(mean, 0.93, mode)

    def test_bytes_are_foretold(self) -> None:
        for mode in lab_records.MODES:
            mean = self.found[mode]['bytes']['mean']
            self.assertGreaterEqual(mean, 0.98, mode)

    def test_downtime_is_foretold(self) -> None:
        self.assertEqual(1.0, self.found['pre-copy']['downtime_within'])

    def test_what_does_not_end_is_foretold(self) -> None:
        told = self.found['divergence']
        self.assertGreater(told['did_not_end'], 0)
        self.assertEqual(told['did_not_end'], told['foretold'])
        self.assertEqual([], told['false_alarms'])

    def test_what_an_agent_measures_is_enough(self) -> None:
        found = self.found['as an agent measures, pre-copy']
        for times in (1, 3, 6):
            told = found[f'dirty bitmap, {times} times']
            self.assertGreaterEqual(told['total_time']['mean'], 0.96)
            self.assertGreaterEqual(told['total_time']['p10'], 0.9)
            self.assertEqual([], told['divergence']['missed'])
            self.assertEqual([], told['divergence']['false_alarms'])
            ages = told['by_age'].values()
            self.assertEqual(34, sum(age['n'] for age in ages))

    def test_intervals_hold_as_often_as_they_say(self) -> None:
        held = self.found['intervals']['coverage90']
        self.assertGreaterEqual(held, 0.85)
        self.assertLessEqual(held, 0.95)


class TestReading(unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def refused(self, text: str) -> str:
        (self.folder / 'x.json').write_text(text)
        with self.assertRaises(errors.InputError) as caught:
            lab_records.load(self.folder)
        return str(caught.exception)

    def test_both_forms_are_read_in_the_order_of_their_making(self) -> None:
        late = a_document(name='late', number=9)
        early = a_document(name='early', number=2)
        (self.folder / 'a.json').write_text(json.dumps(late))
        with lzma.open(self.folder / 'b.jsonl.xz', 'wt') as file:
            file.write(json.dumps(early) + '\n')
        found = [r.name for r in lab_records.load(self.folder)]
        self.assertEqual(['early', 'late'], found)

    def test_what_is_wrong_is_said_with_its_place(self) -> None:
        self.assertIn('x.json', self.refused('{'))
        self.assertIn('format 1', self.refused(json.dumps({'format': '7'})))
        how = {**a_document()['how'], 'mode': 'by mail'}
        self.assertIn('by mail', self.refused(json.dumps(a_document(how=how))))
        guest = {**a_document()['guest'], 'resident': -1}
        self.assertIn('-1', self.refused(json.dumps(a_document(guest=guest))))

    def test_a_folder_without_recordings_is_no_traceback(self) -> None:
        for data in (self.folder, self.folder / 'none'):
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self.assertEqual(1, lab.main(['--data', str(data)]))
            self.assertIn('error:', said.getvalue())


if __name__ == '__main__':
    unittest.main()
