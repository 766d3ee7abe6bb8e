"""nova-compute with the mini-cloud's driver.

Nova loads drivers from its own package only, so this folder joins it.
"""

import pathlib
import sys

from nova import monkey_patch

monkey_patch.patch(backend='threading')

import nova.virt  # noqa: E402 - only after the patch
from nova.cmd.compute import main  # noqa: E402

nova.virt.__path__.append(str(pathlib.Path(__file__).resolve().parent))

if __name__ == '__main__':
    sys.exit(main())
