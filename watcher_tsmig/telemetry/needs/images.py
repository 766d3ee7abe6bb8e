"""Images that servers boot from: how large a disk they make, what they want.

Glance is asked for each image once, with the session of the compute proxy,
and only where Nova does not tell: it shows an image's properties in the
server from microversion 2.98 on, and sizes never. Of a server that boots from
a volume neither shows what its image wanted.
"""

import collections
import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.telemetry.needs.disks import image_of
from watcher_tsmig.telemetry.needs.disks import root_size
from watcher_tsmig.telemetry.needs.disks import sized_by_image

# So many images are asked for, a request each.
ASKED = 128
# What Nova heeds of an image's members
HEEDED = 'hw_'

Properties = Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What Glance told of images, by id; who is not in, is unknown.

    :ivar sizes: bytes of the root disk that each makes, where that matters
    :ivar properties: of each what Nova heeds
    """

    sizes: Mapping[str, float]
    properties: Mapping[str, Properties]


def read_images(
    compute: Compute,
    servers: Collection[Server],
    local: Iterable[Server],
    notes: list[str],
) -> Images:
    """What Nova does not tell of the servers' images.

    :param compute: openstacksdk's compute proxy
    :param local: of the servers those whose host has disks of its own
    """
    sizes = sized_by_image(local)
    untold = _untold(servers)
    # those that most servers boot from come first, where not all are asked
    wanted = [*sorted(sizes), *(i for i in untold if i not in sizes)]
    found, why = _asked(compute, wanted[:ASKED])
    because = f' ({why})' if why else ''
    missing = len(sizes - set(found))
    if missing:
        notes.append(
            f'of {missing} images the size is unknown; root disks that they '
            f'make are not counted{because}'
        )
    missing = len(set(untold) - set(found))
    if missing:
        notes.append(
            f'of {missing} images the properties are unknown, and what Nova '
            f'refuses for them is not seen{because}'
        )
    return Images(
        sizes={i: root_size(found[i]) for i in sizes if i in found},
        properties={i: _heeded(image) for i, image in found.items()},
    )


def _untold(servers: Iterable[Server]) -> list[str]:
    """Images that Nova shows without properties, the most used first."""
    counted = collections.Counter(
        image
        for server in servers
        if (image := image_of(server)) is not None
        and 'properties' not in server.image
    )
    return [image for image, _ in counted.most_common()]


def _asked(
    compute: Compute, wanted: list[str]
) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Those that Glance knows, as it has them, and why others are not."""
    found: dict[str, Mapping[str, Any]] = {}
    why = ''
    if not wanted:
        return found, why
    glance = beside.glance(compute)

    def one(image: str) -> Mapping[str, Any]:
        answer = glance.get(f'/images/{image}')
        sdk_errors.raise_from_response(answer)
        body = dict(answer.json())
        root_size(body)
        return body

    for image in wanted:
        try:
            found[image] = ask('image', lambda i=image: one(i), 'Glance')
        except errors.CloudError as error:
            why = why or brief(error)
            if not isinstance(error.__cause__, sdk_errors.NotFoundException):
                break  # no Glance at all, where each question takes its time
    return found, why


def _heeded(image: Mapping[str, Any]) -> Properties:
    return {
        name: str(value)
        for name, value in image.items()
        if name.startswith(HEEDED) and value is not None
    }
