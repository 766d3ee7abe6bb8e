"""A guest's metadata as Nova writes it, by Nova's own classes.

python metadata.py NAME MEMORY_MIB PROJECT USER; prints the element.
"""

import sys
import time

from nova.virt.libvirt import config


def main() -> None:
    """Print it."""
    name, memory, project, user = sys.argv[1:]
    flavor = config.LibvirtConfigGuestMetaNovaFlavor()
    flavor.name, flavor.id = 'lab', 'lab-1'
    flavor.memory, flavor.vcpus = int(memory), 1
    flavor.disk = flavor.swap = flavor.ephemeral = 0
    owner = config.LibvirtConfigGuestMetaNovaOwner()
    owner.projectid, owner.projectname = project, 'lab'
    owner.userid, owner.username = user, 'lab'
    meta = config.LibvirtConfigGuestMetaNovaInstance()
    meta.package, meta.name = '34.0.0', name
    meta.creationTime = time.time()
    meta.flavor, meta.owner = flavor, owner
    meta.roottype, meta.rootid = 'image', project
    print(meta.to_xml())


if __name__ == '__main__':
    main()
