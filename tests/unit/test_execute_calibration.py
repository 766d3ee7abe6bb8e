"""The calibration's file, which appliers write and the engine reads."""

import fcntl
import pathlib
import tempfile
import types
import unittest

from watcher_tsmig import errors
from watcher_tsmig.execute import calibration


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = self.folder / 'learned.json'

    def refused(self, call, *given):
        with self.assertRaises(errors.InputError) as caught:
            call(*given)
        self.assertIn(str(self.path), str(caught.exception))
        return str(caught.exception)


class TestRead(Base):
    def test_before_anything_was_learned_there_is_nothing(self):
        self.assertIsNone(calibration.read(self.path))

    def test_its_text_is_read_as_it_is(self):
        self.path.write_text('ö\n')
        self.assertEqual('ö\n', calibration.read(self.path))

    def test_what_is_no_calibration_says_why(self):
        self.path.write_bytes(b'\xff')
        self.assertIn(
            'is not UTF-8', self.refused(calibration.read, self.path)
        )
        self.path.unlink()
        self.path.mkdir()
        text = self.refused(calibration.read, self.path)
        self.assertIn('is not a regular file', text)

    def test_64_mib_are_read_and_no_more(self):
        self.assertEqual(64 << 20, calibration.MAX_BYTES)
        self.addCleanup(
            setattr, calibration, 'MAX_BYTES', calibration.MAX_BYTES
        )
        calibration.MAX_BYTES = 2 << 20
        self.path.write_text('x' * (2 << 20))
        self.assertEqual(2 << 20, len(calibration.read(self.path)))
        self.path.write_text('x' * ((2 << 20) + 1))
        text = self.refused(calibration.read, self.path)
        self.assertIn('is larger than 2 MiB', text)

    def test_a_file_that_cannot_be_opened_says_why(self):
        # a link to itself
        self.path.symlink_to(self.path)
        self.assertIsNone(calibration.read(self.path))
        self.path = self.folder / ('x' * 300)
        text = self.refused(calibration.read, self.path)
        self.assertIn('cannot be read: File name too long', text)


class TestUpdate(Base):
    def test_each_writer_sees_what_the_one_before_wrote(self):
        seen = []

        def more(text):
            seen.append(text)
            return (text or '') + 'x'

        for _ in range(3):
            calibration.update(self.path, more)
        self.assertEqual([None, 'x', 'xx'], seen)
        self.assertEqual('xxx', self.path.read_text())
        # nobody else may read what a cloud has learned
        for path in (self.path, self.path.with_name('learned.json.lock')):
            self.assertEqual(0o600, path.stat().st_mode & 0o777)

    def test_a_change_that_fails_changes_nothing_and_holds_up_nobody(self):
        self.path.write_text('x')
        with self.assertRaises(ZeroDivisionError):
            calibration.update(self.path, lambda text: 1 / 0)
        self.assertEqual('x', self.path.read_text())
        calibration.update(self.path, lambda text: text + 'y')
        self.assertEqual('xy', self.path.read_text())

    def test_a_folder_that_is_not_there_is_said(self):
        self.path = self.folder / 'none' / 'learned.json'
        text = self.refused(calibration.update, self.path, lambda _: '')
        self.assertIn('cannot be locked: No such file', text)


class TestLock(Base):
    """Another writer holds it; time is made up."""

    def setUp(self):
        super().setUp()
        self.now, self.slept = 100.0, []
        self.addCleanup(setattr, calibration, 'time', calibration.time)
        calibration.time = types.SimpleNamespace(
            monotonic=lambda: self.now, sleep=self.sleep
        )
        lock = self.path.with_name('learned.json.lock').open('w')
        self.addCleanup(lock.close)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.other = lock
        self.lets_go_at = None

    def sleep(self, seconds):
        self.slept.append(seconds)
        # to be exact about ten seconds
        self.now = round(self.now + seconds, 6)
        if self.now == self.lets_go_at:
            fcntl.flock(self.other, fcntl.LOCK_UN)

    def test_it_is_waited_for_and_then_written(self):
        self.lets_go_at = 110.0
        calibration.update(self.path, lambda text: 'x')
        self.assertEqual('x', self.path.read_text())
        self.assertEqual({0.05}, set(self.slept))

    def test_it_is_not_waited_for_longer_than_10_s(self):
        text = self.refused(calibration.update, self.path, lambda _: 'x')
        self.assertIn('another writer holds it for 10 s', text)
        self.assertFalse(self.path.exists())
        self.assertAlmostEqual(110.05, self.now)
