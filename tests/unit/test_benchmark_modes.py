"""The benchmark of mode choice says what it found, on small sizes."""

import contextlib
import io
import json

import testtools

from benchmarks import modes


class TestModes(testtools.TestCase):
    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = modes.main(words)
        return code, out.getvalue(), err.getvalue()

    def test_it_prints_value_bound_and_gap(self):
        for family in modes.FAMILIES:
            for sides in modes.SIDES:
                code, out, err = self.run_main(
                    *('--vms', '60', '--nics', '6', '--seconds', '0.5'),
                    *('--family', family, '--sides', sides),
                )
                self.assertEqual((0, ''), (code, err))
                found = json.loads(out)
                value, bound = found['value'], found['lower_bound']
                self.assertEqual(sides, found['sides'])
                self.assertLessEqual(bound, value)
                self.assertAlmostEqual(value / bound - 1, found['gap'], 4)
                self.assertLessEqual(value, found['all_pre'])
                self.assertLessEqual(value, found['all_post'])
                self.assertGreater(found['seconds'], 0)

    def test_the_same_seed_draws_the_same_vms(self):
        one = modes.game(50, 6, 'heavy', 3, 'both')
        two = modes.game(50, 6, 'heavy', 3, 'both')
        self.assertEqual(one.pre.data.tolist(), two.pre.data.tolist())

    def test_wrong_input_is_one_line(self):
        for words, text in (
            (('--nics', '1'), '--nics'),
            (('--seconds', '0'), '--seconds'),
        ):
            code, out, err = self.run_main(*words)
            self.assertEqual((1, ''), (code, out))
            self.assertIn(text, err)
            self.assertEqual(1, len(err.splitlines()))
