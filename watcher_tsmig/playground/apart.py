"""The command ``python -m watcher_tsmig.playground.apart``.

Watcher alone, in front of a playground that runs in another process: it may be
killed while its cloud goes on, and started again with the same database. No
agent is served here, so that caps are advisory.
"""

from watcher_tsmig.playground import releases

if __name__ == '__main__':
    # Up to 16 Watcher patches modules that the imports below build upon.
    releases.patch()

import argparse
import json
import os
import pathlib
import select
import sys

from watcher_tsmig import files
from watcher_tsmig.playground.__main__ import read_options
from watcher_tsmig.playground.watcher import Watcher


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog='watcher_tsmig.playground.apart')
    parser.add_argument('--cloud', type=pathlib.Path, required=True)
    parser.add_argument('--folder', type=pathlib.Path, required=True)
    parser.add_argument('--ready-file', type=pathlib.Path, required=True)
    parser.add_argument('--set', action='append', default=[])
    given = parser.parse_args()
    cloud = json.loads(given.cloud.read_text())
    watcher = Watcher(given.folder)
    watcher.start(cloud['watcher'], read_options(given.set))
    files.replace(given.ready_file, json.dumps({'url': watcher.url}))
    number = os.dup(sys.stdin.fileno())
    while select.select([number], [], []) and os.read(number, 4096):
        pass
    # what still waits for its cloud cannot be joined
    os._exit(0)


if __name__ == '__main__':
    main()
