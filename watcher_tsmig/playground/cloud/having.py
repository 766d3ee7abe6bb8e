"""What servers of the playground have that Nova does not move live.

Statuses and words are those of Nova 34: nova/compute/api.py, the decorators
of `live_migrate`, in their order, nova/exception.py, and nova/api/openstack/
compute/migrate_server.py, which makes a conflict of shares only.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.web import HttpError

ACCELERATED = ('accelerator-direct', 'accelerator-direct-physical')
MOST = 16  # ports, shares or properties of one server

REFUSALS: tuple[tuple[Callable[[Server], bool], int, str], ...] = (
    (
        lambda s: bool(s.shares),
        409,
        'Feature not supported with instances that have shares.',
    ),
    (
        lambda s: any(
            p.get('binding:vnic_type') in ACCELERATED for p in s.ports
        ),
        400,
        'Feature not supported with Ports that have accelerators.',
    ),
    (
        lambda s: 'accel:device_profile' in s.extra_specs,
        400,
        'Feature not supported with instances that have accelerators.',
    ),
    (
        lambda s: (
            bool(_wants(s, 'tpm_version'))
            and s.extra_specs.get('hw:tpm_secret_security') != 'host'
        ),
        400,
        "Operation 'live-migration' not supported for vTPM-enabled instance.",
    ),
    (
        lambda s: _wants(s, 'mem_encryption').lower() == 'true',
        400,
        "Operation 'live-migration' not supported for mem encryption enabled "
        'instance.',
    ),
)


def _wants(server: Server, name: str) -> str:
    """Of its flavor, or else of its image; empty: nothing."""
    image = server.properties.get(f'hw_{name}', '')
    return server.extra_specs.get(f'hw:{name}', image)


def check(server: Server) -> None:
    """Nova moves it live.

    :raises HttpError: it refuses, because of what the server has
    """
    for test, status, why in REFUSALS:
        if test(server):
            raise HttpError(status, why)


def set_ports(server: Server, value: Any) -> None:  # noqa: ANN401 - JSON
    """``[{"binding:vnic_type": "vdpa"}]``: what is not plain of each port."""
    server.ports = tuple(map(dict, _some(value, list)))


def set_shares(server: Server, value: Any) -> None:  # noqa: ANN401 - JSON
    """Ids of its shares."""
    server.shares = tuple(map(str, _some(value, list)))


def set_properties(server: Server, value: Any) -> None:  # noqa: ANN401 - JSON
    """Those of the image that it boots from."""
    server.properties = _texts(_some(value, dict))


def set_extra_specs(server: Server, value: Any) -> None:  # noqa: ANN401 - JSON
    """More extra specs of its flavor."""
    server.extra_specs = {**server.extra_specs, **_texts(_some(value, dict))}


def _some(value: Any, kind: type) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, kind) or len(value) > MOST:
        raise ValueError(f'is no {kind.__name__} of at most {MOST}')
    return value


def _texts(value: Mapping[str, Any]) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()}


def shares(server: Server) -> Sequence[Mapping[str, str]]:
    """As Nova lists them."""
    return [
        {'share_id': share, 'status': 'active', 'tag': share}
        for share in server.shares
    ]
