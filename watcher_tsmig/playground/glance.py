"""Glance as far as the size of a server's root disk needs it.

An image for each size of root disk that a flavor leaves to it, derived from
the simulated cloud, and one for all others.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import nova_common as common
from watcher_tsmig.playground import nova_views
from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud import SimCloud

VERSIONS = ('v2.16', 'v2.0')
# Bytes of a file that is much smaller than its disk, as of a cloud image.
SHARE = 0.25


class Glance(web.App):
    """The image service."""

    prefix = '/image'

    def __init__(
        self, sim: SimCloud, identify: Callable[[str], web.Who | None]
    ) -> None:
        self._sim = sim
        super().__init__(identify)

    def routes(self) -> Sequence[web.Route]:
        return (
            web.Route('GET', '', self._versions, None),
            web.Route('GET', '/v2/images', self._images, frozenset()),
            web.Route('GET', '/v2/images/{image}', self._image, frozenset()),
        )

    def error(self, status: int, message: str) -> object:
        return f'<html><body>{status} {message}</body></html>'

    def _versions(self, request: web.Request) -> web.Response:
        shown = [
            {
                'id': version,
                'status': 'CURRENT' if not i else 'SUPPORTED',
                'links': [{'rel': 'self', 'href': f'{request.base}/v2/'}],
            }
            for i, version in enumerate(VERSIONS)
        ]
        return web.Response(300, {'versions': shown})

    def _images(self, request: web.Request) -> web.Response:
        sizes = self._sizes()
        page, links = common.page(request, list(sizes), str)
        body = {
            'images': [_shown(image, sizes[image]) for image in page],
            'schema': '/v2/schemas/images',
            'first': '/v2/images',
        }
        if links:
            body['next'] = links[0]['href'].removeprefix(request.base)
        return web.Response(200, body)

    def _image(self, request: web.Request, image: str) -> web.Response:
        sizes = self._sizes()
        if image not in sizes:
            raise web.HttpError(404, f'No image found with ID {image}')
        return web.Response(200, _shown(image, sizes[image]))

    def _sizes(self) -> dict[str, float]:
        """Bytes of the disk that each image makes, by id."""
        with self._sim.at_now() as sim:
            return {
                nova_views.image_id(s): nova_views.image_size(s)
                for s in sim.servers.values()
            }


def _shown(image: str, size: float) -> dict[str, Any]:
    return {
        'id': image,
        'name': 'demo',
        'status': 'active',
        'visibility': 'public',
        'container_format': 'bare',
        'disk_format': 'qcow2',
        'min_disk': 0,
        'min_ram': 0,
        'size': int(size * SHARE),
        'virtual_size': int(size),
        'tags': [],
    }
