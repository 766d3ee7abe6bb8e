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

from openstack import connection
from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.units import GIB
from watcher_tsmig.units import from_mib

# So many images are asked for, a request each.
ASKED = 64


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


def read_images(
    compute: Compute, servers: Iterable[Server], notes: list[str]
) -> dict[str, float]:
    """Bytes of root disks that images make, where that matters.

    Of servers whose flavor has none, and of those with volumes, of which one
    may be the root disk. Glance is asked with the session of the compute
    proxy, and only where such a server is there.

    :param compute: openstacksdk's compute proxy
    """
    wanted = sorted(
        {
            image
            for server in servers
            if (image := image_of(server)) is not None
            and (
                getattr(server.flavor, 'disk', None) == 0
                or getattr(server, 'attached_volumes', None)
            )
        }
    )
    if not wanted:
        return {}
    glance = connection.Connection(
        session=compute.session,
        region_name=compute.region_name,
        interface=compute.interface,
    ).image
    found: dict[str, float] = {}
    why = ''
    for image in wanted[:ASKED]:
        try:
            found[image] = root_size(
                ask('image', lambda i=image: glance.get_image(i), 'Glance')
            )
        except errors.CloudError as error:
            why = why or brief(error)
            if not isinstance(error.__cause__, sdk_errors.NotFoundException):
                break  # no Glance at all, where each question takes its time
    missing = len(wanted) - len(found)
    if missing:
        notes.append(
            f'of {missing} images the size is unknown; root disks that they '
            f'make are not counted{f" ({why})" if why else ""}'
        )
    return found


def root_size(image: Any) -> float:  # noqa: ANN401 - openstacksdk's image
    """Bytes of the disk that an image makes; 0: it makes a volume.

    A file of another format than raw is smaller than that.
    """
    size = float(image.virtual_size or image.size or 0)
    if image.virtual_size or not size:
        return size
    return max(size, float(image.min_disk or 0) * GIB)
