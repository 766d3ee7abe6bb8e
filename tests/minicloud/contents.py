"""What every cloud has before its first server, made in one process.

Argument: the OS_* variables as JSON. Ceilometer's own resource types and
archive policies come from its package, as `ceilometer-upgrade` makes them.
"""

import importlib.resources
import json
import os
import sys
from typing import Any

import openstack
import yaml
from gnocchiclient import client
from gnocchiclient import exceptions

from tests.minicloud.configuration import CATALOGUE
from tests.minicloud.configuration import url

FLAVORS = (
    # name, vcpus, MiB, GiB
    ('tiny', 1, 128, 0),
    ('disk', 1, 128, 2),
    ('store', 1, 128, 20),
    ('small', 1, 256, 0),
    ('big', 2, 1024, 0),
)
INTERFACES = ('admin', 'internal', 'public')
# Ceilometer makes them, with attributes that its definitions name.
TEXT = {'type': 'string', 'required': False, 'max_length': 255}


def main() -> None:
    """Make what is missing."""
    os.environ.update(json.loads(sys.argv[1]))
    _catalogue(openstack.connect())
    # a connection keeps the catalogue that it began with
    cloud = openstack.connect()
    for name, vcpus, ram, disk in FLAVORS:
        cloud.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk)
    cloud.image.create_image(
        name='image',
        disk_format='raw',
        container_format='bare',
        data=bytes(65536),
        allow_duplicates=True,
    )
    _ceilometer(client.Client('1', cloud.session))


def _catalogue(cloud: Any) -> None:
    have = {service.type for service in cloud.identity.services()}
    for kind, name, path in CATALOGUE:
        if kind in have:
            continue
        service = cloud.identity.create_service(type=kind, name=name)
        for interface in INTERFACES:
            cloud.identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                url=url(name) + path,
                region_id='RegionOne',
            )


def _ceilometer(gnocchi: Any) -> None:
    data = importlib.resources.files('ceilometer.publisher') / 'data'
    text = (data / 'gnocchi_resources.yaml').read_text()
    definitions = yaml.safe_load(text)
    for policy in definitions['archive_policies']:
        try:
            gnocchi.archive_policy.create(policy)
        except exceptions.ArchivePolicyAlreadyExists:
            continue
    from ceilometer import gnocchi_client

    for name, attributes in gnocchi_client.resources_initial.items():
        if name in ('instance', 'instance_network_interface'):
            gnocchi.resource_type.create(
                {'name': name, 'attributes': attributes}
            )
    operations = [
        {'op': 'add', 'path': f'/attributes/{name}', 'value': TEXT}
        for name in ('flavor_name', 'server_group')
    ]
    gnocchi.resource_type.update('instance', operations)


if __name__ == '__main__':
    main()
