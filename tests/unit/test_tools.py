"""The counting of tests: true totals, whatever the run did."""

import io
import pathlib
import subprocess
import sys
import unittest

import subunit

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stream(*events: tuple[str, str]) -> bytes:
    """A subunit v2 stream of (test id, status)."""
    buffer = io.BytesIO()
    writer = subunit.StreamResultToBytes(buffer)
    for test_id, status in events:
        writer.status(test_id=test_id, test_status=status)
    return buffer.getvalue()


def counted(data: bytes) -> tuple[str, int]:
    """Output and exit code of the counter."""
    done = subprocess.run(
        (sys.executable, ROOT / 'tools' / 'count_tests.py'),
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout.decode(), done.returncode


class TestCounting(unittest.TestCase):
    """One line, and the exit code that belongs to it."""

    def test_what_happened_is_what_is_counted(self) -> None:
        table = (
            ((), '0 passed, 0 failed, 0 skipped\n', 1),
            ((('a', 'success'),), '1 passed, 0 failed, 0 skipped\n', 0),
            ((('a', 'skip'),), '0 passed, 0 failed, 1 skipped\n', 1),
            (
                (('a', 'success'), ('b', 'fail'), ('c', 'skip')),
                '1 passed, 1 failed, 1 skipped\n',
                1,
            ),
            # as expected, against expectation
            (
                (('a', 'xfail'), ('b', 'uxsuccess')),
                '1 passed, 1 failed, 0 skipped\n',
                1,
            ),
            # its process died
            (
                (('a', 'success'), ('b', 'inprogress')),
                '1 passed, 1 failed, 0 skipped\n',
                1,
            ),
            # it was only listed
            (
                (('a', 'exists'), ('b', 'success')),
                '1 passed, 0 failed, 0 skipped\n',
                0,
            ),
        )
        for events, line, code in table:
            with self.subTest(events=events):
                self.assertEqual((line, code), counted(stream(*events)))
