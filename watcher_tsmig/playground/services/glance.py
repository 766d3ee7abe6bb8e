"""Glance as far as a server's root disk and its devices need it.

An image for each size of root disk that a flavor leaves to it and for all
properties that the control service gave a server's, derived from the
simulated cloud, and one for all others.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.services import nova_common as common
from watcher_tsmig.playground.services import nova_views

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
        found = self._found()
        page, links = common.page(request, list(found), str)
        body = {
            'images': [_shown(found[image]) for image in page],
            'schema': '/v2/schemas/images',
            'first': '/v2/images',
        }
        if links:
            body['next'] = links[0]['href'].removeprefix(request.base)
        return web.Response(200, body)

    def _image(self, request: web.Request, image: str) -> web.Response:
        found = self._found()
        if image not in found:
            raise web.HttpError(404, f'No image found with ID {image}')
        return web.Response(200, _shown(found[image]))

    def _found(self) -> dict[str, Server]:
        """A server that boots from each image, by the image's id."""
        with self._sim.at_now() as sim:
            return {nova_views.image_id(s): s for s in sim.servers.values()}


def _shown(server: Server) -> dict[str, Any]:
    size = nova_views.image_size(server)
    return {
        **server.properties,
        'id': nova_views.image_id(server),
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
