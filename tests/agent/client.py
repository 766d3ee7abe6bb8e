"""A migration by a process of its own, which may be killed.

python -m tests.agent.client LIBVIRT_FOLDER URI DOMAIN TARGET_URI ADDRESS
"""

import pathlib
import sys

from tests.lab.libvirtd import bindings


def main() -> None:
    """Migrate with Nova's flags."""
    root, uri, name, target, address = sys.argv[1:]
    libvirt = bindings(pathlib.Path(root))
    domain = libvirt.open(uri).lookupByName(name)
    flags = (
        libvirt.VIR_MIGRATE_LIVE
        | libvirt.VIR_MIGRATE_PEER2PEER
        | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        | libvirt.VIR_MIGRATE_PERSIST_DEST
    )
    params = {
        libvirt.VIR_MIGRATE_PARAM_URI: address,
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: 0,
    }
    domain.migrateToURI3(target, params=params, flags=flags)


if __name__ == '__main__':
    main()
