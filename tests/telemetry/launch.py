"""ceilometer-polling as it is installed, with the laboratory's libvirt.

python launch.py LIBVIRT_FOLDER CHECKOUT [ARGUMENT]...

The bindings are loaded before Ceilometer looks for them. Of the checkout
only the loader is used: what is polled is what is installed.
"""

import pathlib
import sys

if __name__ == '__main__':
    root, checkout = sys.argv[1:3]
    sys.path.append(checkout)
    from tests.lab.libvirtd import bindings

    bindings(pathlib.Path(root))
    sys.path.remove(checkout)
    sys.argv[1:3] = []
    from ceilometer.cmd import polling

    sys.exit(polling.main())
