"""A playground in a process of its own, from start to end.

Only that process lives here: start it, wait until it is ready, stop it.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from watcher_tsmig import errors

# Wall seconds; all far above the usual.
READY_WITHIN = 120.0
STOPPED_WITHIN = 30.0
LOOK_EVERY = 0.1
# Characters of its last words that are shown where it does not start.
SAID = 2000


@contextlib.contextmanager
def playground(*options: str) -> Iterator[dict[str, Any]]:
    """A playground with these options; it ends with the block.

    :returns: what the playground says of itself, see `Playground.describe`
    :raises errors.CloudError: it did not start
    """
    with (
        tempfile.TemporaryDirectory(prefix='tsmig-') as folder,
        tempfile.TemporaryFile('w+') as said,
    ):
        ready = pathlib.Path(folder) / 'ready.json'
        process = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'watcher_tsmig.playground',
                f'--ready-file={ready}',
                '--until-eof',
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            # Ctrl-C is for us: we then stop the playground in order.
            start_new_session=True,
        )
        try:
            until = time.monotonic() + READY_WITHIN
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    raise errors.CloudError(
                        'the playground did not start: '
                        f'{said.read()[-SAID:].strip() or "it says nothing"}'
                    )
                time.sleep(LOOK_EVERY)
            yield json.loads(ready.read_text())
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
