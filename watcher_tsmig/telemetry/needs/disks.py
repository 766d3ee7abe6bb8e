"""Local disks of servers, which go along when they move: whose, how large.

By the server's flavor and, where that leaves the root disk to the image, by
Glance. A server without an image boots from a volume, which is not local; its
ephemeral disk and its swap are. So does one whose image is the snapshot of a
server that did: such an image has no bytes.
"""

import math
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.units import GIB
from watcher_tsmig.units import from_mib


def local_disk(server: Server, images: Mapping[str, float]) -> float:
    """Bytes of local disk as Placement counts them: in whole GiB.

    A root disk that its flavor leaves to the image Placement does not count.

    :param images: as `local_disks` has them
    """
    root, *others = _sizes(server, images)
    if not getattr(server.flavor, 'disk', None):
        root = 0.0
    return sum(math.ceil(size / GIB) * GIB for size in (root, *others))


def local_disks(
    server: Server, images: Mapping[str, float]
) -> tuple[float, ...]:
    """Bytes of each local disk, as its guest sees it.

    :param images: bytes of the root disk that each image makes, by id: 0 of
        one that makes a volume; those that nobody knows are left out
    """
    return tuple(size for size in _sizes(server, images) if size)


def _sizes(server: Server, images: Mapping[str, float]) -> tuple[float, ...]:
    """Of its root disk, its ephemeral disk and its swap; 0 for none."""
    root, ephemeral, swap = (
        float(getattr(server.flavor, name, None) or 0)
        for name in ('disk', 'ephemeral', 'swap')
    )
    image, first = image_of(server), 0.0
    if image is not None:
        makes = images.get(image)
        first = (makes or 0.0) if makes == 0 or not root else root * GIB
    return first, ephemeral * GIB, from_mib(swap)


def has_local_disks(server: Server) -> bool:
    """Whether any disk would go along, however large it is."""
    return image_of(server) is not None or bool(local_disks(server, {}))


def image_of(server: Server) -> str | None:
    """Id of the image that it boots from; None: it boots from a volume."""
    image = getattr(server, 'image', None)
    return str(getattr(image, 'id', None) or image['id']) if image else None


def sized_by_image(servers: Iterable[Server]) -> set[str]:
    """Ids of images of which the size matters.

    Of servers whose flavor has no root disk, and of those with volumes, of
    which one may be the root disk.
    """
    return {
        image
        for server in servers
        if (image := image_of(server)) is not None
        and (
            getattr(server.flavor, 'disk', None) == 0
            or getattr(server, 'attached_volumes', None)
        )
    }


def root_size(image: Mapping[str, Any]) -> float:
    """Bytes of the disk that an image makes; 0: it makes a volume.

    A file of another format than raw is smaller than that.

    :param image: as Glance has it
    """
    size = float(image.get('virtual_size') or image.get('size') or 0)
    if image.get('virtual_size') or not size:
        return size
    return max(size, float(image.get('min_disk') or 0) * GIB)
