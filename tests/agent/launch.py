"""The agent as it is installed, with the laboratory's libvirt bindings.

python -m tests.agent.launch LIBVIRT_FOLDER [ARGUMENT]...
"""

import pathlib
import sys

from tests.lab.libvirtd import bindings
from watcher_tsmig.agent.service import main

if __name__ == '__main__':
    bindings(pathlib.Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
