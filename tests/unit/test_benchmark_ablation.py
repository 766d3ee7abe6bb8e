"""The ablation switches off what it says, and nothing for good."""

import contextlib
import io
import json

import testtools

from benchmarks import ablation
from benchmarks.ablation_parts import PARTS
from benchmarks.ablation_parts import Part
from benchmarks.ablation_parts import without
from watcher_tsmig.plan.modes import contention
from watcher_tsmig.plan.placement import joint


class TestParts(testtools.TestCase):
    def test_every_part_is_there_and_is_back_afterwards(self):
        before = vars(contention).copy(), vars(joint).copy()
        for part in PARTS:
            with without(part):
                pass
            self.assertGreaterEqual(part.lines, 0)
        self.assertEqual(before, (vars(contention), vars(joint)))

    def test_a_part_that_is_gone_is_an_error(self):
        part = Part(name='gone', off={'modes.contention:gone': None})
        with without(None), testtools.ExpectedException(AttributeError):
            without(part).__enter__()


class TestAblation(testtools.TestCase):
    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = ablation.main(words)
        return code, out.getvalue(), err.getvalue()

    def test_it_says_what_plans_lose_without_a_part(self):
        code, out, _ = self.run_main(
            *('--vms', '4', '--seeds', '1', '--traffic', '1'),
            *('--policy', 'fast', '--part', PARTS[0].name),
        )
        self.assertEqual(0, code)
        found = json.loads(out)
        self.assertEqual(
            ['4 VMs, traffic x1, seed 0', '4 VMs, full links, seed 0'],
            found['cells'],
        )
        told = found['without'][PARTS[0].name]
        self.assertEqual(PARTS[0].lines, told['lines'])
        self.assertLessEqual(told['fast']['best'], told['fast']['worst'])

    def test_wrong_input_is_one_line(self):
        for words, text in (
            (('--vms', '0'), '--vms'),
            (('--part', 'nothing'), '--part'),
        ):
            code, out, err = self.run_main(*words)
            self.assertEqual((1, ''), (code, out))
            self.assertIn(text, err)
            self.assertEqual(1, len(err.splitlines()))
