"""Count a subunit stream on stdin: `N passed, N failed, N skipped`.

Only counting lives here; stestr prints the failures. A test that never
ended failed, and so did one that succeeded against expectation. The exit
code is 1 where anything failed or nothing ran.
"""

import collections
import sys
import typing

import subunit
import testtools

PASSED = ('success', 'xfail')
SKIPPED = ('skip',)
# Streams name no test for what belongs to a whole run.
NOT_RUN = ('exists',)


def count(stream: typing.BinaryIO) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of a subunit v2 stream."""
    states: collections.Counter[str] = collections.Counter()

    def add(test: dict[str, typing.Any]) -> None:
        states[test['status']] += 1

    result = testtools.StreamToDict(add)
    case = subunit.ByteStreamToStreamResult(stream, non_subunit_name='stdout')
    result.startTestRun()
    case.run(result)
    result.stopTestRun()
    passed = sum(states[state] for state in PASSED)
    skipped = sum(states[state] for state in SKIPPED)
    ignored = sum(states[state] for state in NOT_RUN)
    return passed, states.total() - passed - skipped - ignored, skipped


def main() -> int:
    passed, failed, skipped = count(sys.stdin.buffer)
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
