"""The configuration files of the mini-cloud's services, as plain values.

Only texts are made here: what stands in a file, by section and option.
Written as an administrator would by the install guides, and small.
"""

import pathlib
from collections.abc import Mapping

from tests.minicloud.bed import Bed

Sections = Mapping[str, Mapping[str, object]]

COMPUTES = tuple(f'compute{n}' for n in range(1, 6))
#: bytes/s of each host's NIC
NIC = 125e6

PORTS = {
    'rabbit': 5672,
    'mariadb': 3306,
    'keystone': 5000,
    'placement': 8778,
    'glance': 9292,
    'neutron': 9696,
    'nova-api': 8774,
    'gnocchi-api': 8041,
    'watcher-api': 9322,
    'horizon': 8080,
}
#: the hosts whose guests are real, where they are, and their addresses
REAL = {'compute1': '127.0.0.2', 'compute2': '127.0.0.3'}
#: in a folder of which each of them sees one of its own: nothing is shared
INSTANCES = '/var/lib/libvirt/instances'
#: type of a service in the catalogue, its name, its path
CATALOGUE = (
    ('placement', 'placement', ''),
    ('image', 'glance', ''),
    ('network', 'neutron', ''),
    ('compute', 'nova-api', '/v2.1'),
    ('infra-optim', 'watcher-api', ''),
    ('metric', 'gnocchi-api', ''),
)
DATABASES = (
    'keystone',
    'placement',
    'nova_api',
    'nova_cell0',
    'nova_cell1',
    'glance',
    'watcher',
    'gnocchi',
)
TRANSPORT = f'rabbit://guest:guest@127.0.0.1:{PORTS["rabbit"]}/'


def url(service: str) -> str:
    """Where a service listens."""
    return f'http://127.0.0.1:{PORTS[service]}'


def database(name: str) -> str:
    """Its URL for SQLAlchemy."""
    return f'mysql+pymysql://root@127.0.0.1:{PORTS["mariadb"]}/{name}'


def text_of(sections: Sections) -> str:
    """A file of oslo.config."""
    parts = []
    for section, options in sections.items():
        lines = [f'{name} = {value}' for name, value in options.items()]
        parts.append('\n'.join([f'[{section}]', *lines]))
    return '\n\n'.join(parts) + '\n'


def credentials(bed: Bed) -> dict[str, object]:
    """Of an administrator, for the services and for whoever asks them."""
    return {
        'auth_type': 'password',
        'auth_url': f'{url("keystone")}/v3',
        'username': 'admin',
        'password': bed.password,
        'project_name': 'admin',
        'user_domain_id': 'default',
        'project_domain_id': 'default',
        'region_name': 'RegionOne',
    }


def _token(bed: Bed) -> dict[str, object]:
    return {
        'www_authenticate_uri': f'{url("keystone")}/v3',
        **credentials(bed),
        'service_token_roles_required': 'false',
    }


RABBIT = {
    'heartbeat_timeout_threshold': 60,
    'rabbit_quorum_queue': 'false',
}
SILENT = {'driver': 'noop'}


def keystone(bed: Bed) -> Sections:
    """keystone.conf."""
    keys = bed.dump
    return {
        'database': {'connection': database('keystone')},
        'token': {'provider': 'fernet', 'expiration': 86400},
        'fernet_tokens': {'key_repository': keys / 'fernet'},
        'credential': {'key_repository': keys / 'credential'},
        # every client proves who it is, and a hash is most of that work
        'identity': {'password_hash_rounds': 4},
        'cache': {'enabled': 'true', 'backend': 'dogpile.cache.memory'},
    }


def placement(bed: Bed) -> Sections:
    """placement.conf."""
    return {
        'placement_database': {'connection': database('placement')},
        'api': {'auth_strategy': 'keystone'},
        'keystone_authtoken': _token(bed),
    }


def glance(bed: Bed) -> Sections:
    """glance-api.conf."""
    images = bed.state / 'images'
    return {
        'DEFAULT': {
            'enabled_backends': 'fs:file',
            'workers': 0,
            'use_stderr': 'true',
        },
        'database': {'connection': database('glance')},
        'paste_deploy': {
            'flavor': 'keystone',
            'config_file': bed.venv / 'etc/glance/glance-api-paste.ini',
        },
        'glance_store': {'default_backend': 'fs'},
        'fs': {'filesystem_store_datadir': images},
        'os_glance_staging_store': {
            'filesystem_store_datadir': images / 'staging'
        },
        'os_glance_tasks_store': {
            'filesystem_store_datadir': images / 'tasks'
        },
        'oslo_concurrency': {'lock_path': bed.state / 'glance'},
        'keystone_authtoken': _token(bed),
    }


def nova(bed: Bed, host: str) -> Sections:
    """nova.conf of the controller `ctl`, or of a compute host."""
    mine = credentials(bed)
    state = bed.state / host
    sections: dict[str, Mapping[str, object]] = {
        'DEFAULT': {
            'transport_url': TRANSPORT,
            'state_path': state,
            'host': host,
            'my_ip': '127.0.0.1',
            'instances_path': state / 'instances',
            'compute_driver': 'tsmig_sim.TsmigSimDriver',
            'osapi_compute_workers': 1,
            'rpc_response_timeout': 60,
            'service_down_time': 30,
            'report_interval': 5,
            'heal_instance_info_cache_interval': -1,
        },
        'api': {'auth_strategy': 'keystone'},
        'wsgi': {'api_paste_config': bed.venv / 'etc/nova/api-paste.ini'},
        'oslo_concurrency': {'lock_path': state / 'lock'},
        'scheduler': {
            'workers': 1,
            'discover_hosts_in_cells_interval': 2,
        },
        'conductor': {'workers': 1},
        'quota': {'instances': -1, 'cores': -1, 'ram': -1},
        'placement': mine,
        'neutron': mine,
        'glance': {'region_name': 'RegionOne'},
        'service_user': {'send_service_user_token': 'false'},
        'vnc': {'enabled': 'false'},
        'upgrade_levels': {'compute': 'auto'},
        'oslo_messaging_rabbit': RABBIT,
        'oslo_messaging_notifications': SILENT,
        'keystone_authtoken': _token(bed),
    }
    if host == 'ctl':
        sections['api_database'] = {'connection': database('nova_api')}
        sections['database'] = {'connection': database('nova_cell1')}
    return sections


def real_nova(bed: Bed, host: str) -> Sections:
    """nova.conf of a host whose guests are real (real_hosts.py)."""
    sections = {name: dict(part) for name, part in nova(bed, host).items()}
    address = REAL[host]
    sections['DEFAULT'] |= {
        'compute_driver': 'libvirt.LibvirtDriver',
        'my_ip': address,
        'instances_path': INSTANCES,
    }
    helper = bed.venv / 'bin/privsep-helper'
    conf = bed.conf / host / 'nova.conf'
    return {
        **sections,
        'libvirt': {
            'virt_type': 'qemu',
            'cpu_mode': 'none',
            'images_type': 'raw',
            'connection_uri': 'qemu:///system',
            'live_migration_inbound_addr': address,
            'live_migration_scheme': 'tcp',
            'swtpm_enabled': 'false',
        },
        'nova_sys_admin': {'helper_command': f'{helper} --config-file {conf}'},
        'workarounds': {
            'skip_cpu_compare_on_dest': 'true',
            # a kernel begins with what looks like a partition table
            'disable_deep_image_inspection': 'true',
        },
    }


def gnocchi(bed: Bed) -> Sections:
    """gnocchi.conf."""
    return {
        'DEFAULT': {
            'coordination_url': f'file://{bed.state}/gnocchi-coordination',
            'parallel_operations': 2,
        },
        'api': {
            'auth_mode': 'keystone',
            'paste_config': bed.conf / 'gnocchi/api-paste.ini',
        },
        'indexer': {'url': database('gnocchi')},
        'storage': {
            'driver': 'file',
            'file_basepath': bed.state / 'gnocchi-storage',
        },
        'metricd': {
            'workers': 1,
            'metric_processing_delay': 1,
            'metric_reporting_delay': -1,
        },
        'keystone_authtoken': _token(bed),
    }


def watcher(bed: Bed) -> Sections:
    """watcher.conf; what the plugin wants comes by its devstack phases."""
    return {
        'DEFAULT': {
            'transport_url': TRANSPORT,
            'host': 'ctl',
            'state_path': bed.state / 'watcher',
        },
        'api': {'host': '127.0.0.1', 'port': PORTS['watcher-api']},
        'database': {'connection': database('watcher')},
        'watcher_clients_auth': credentials(bed),
        'nova': {
            'migration_interval': 0.5,
            'region_name': 'RegionOne',
            'valid_interfaces': 'internal',
        },
        'gnocchi_client': {
            'region_name': 'RegionOne',
            'endpoint_type': 'internal',
        },
        'keystone_client': {'interface': 'internal'},
        'watcher_datasources': {'datasources': 'gnocchi'},
        # what it would do, it does
        'watcher_actions.traffic_sensitive_migrate': {
            'governor': 'act',
            # of tests in which nothing changes meanwhile
            'start_patience': 20,
            'coordinator': f'file://{bed.state}/watcher/turns',
        },
        'collector': {'collector_plugins': 'compute'},
        'watcher_decision_engine': {'max_audit_workers': 2},
        'watcher_cluster_data_model_collectors.compute': {'period': 10},
        'oslo_concurrency': {'lock_path': bed.state / 'watcher/lock'},
        'oslo_messaging_rabbit': RABBIT,
        'oslo_messaging_notifications': SILENT,
        'keystone_authtoken': _token(bed),
    }


def write(bed: Bed) -> None:
    """All of them, and what else a service wants to find."""
    files = {
        'keystone/keystone.conf': keystone(bed),
        'placement/placement.conf': placement(bed),
        'glance/glance-api.conf': glance(bed),
        'nova/nova.conf': nova(bed, 'ctl'),
        'gnocchi/gnocchi.conf': gnocchi(bed),
        'watcher/watcher.conf': watcher(bed),
    }
    for name, sections in files.items():
        _put(bed.conf / name, text_of(sections))
    for service, name in (
        ('glance', 'glance-api-paste.ini'),
        ('nova', 'api-paste.ini'),
    ):
        source = bed.venv / 'etc' / service / name
        _put(bed.conf / service / name, source.read_text())
    # keystonemiddleware looks into /etc/gnocchi, unless its filter names
    # the file
    (paste,) = bed.venv.glob('lib/*/site-packages/gnocchi/rest/api-paste.ini')
    sign = 'oslo_config_project = gnocchi'
    more = f'{sign}\noslo_config_file = {bed.conf}/gnocchi/gnocchi.conf'
    _put(
        bed.conf / 'gnocchi/api-paste.ini',
        paste.read_text().replace(sign, more),
    )
    for name in ('gnocchi-storage', 'gnocchi-coordination', 'images'):
        (bed.state / name).mkdir(parents=True, exist_ok=True)
    for host in ('ctl', 'watcher'):
        (bed.state / host).mkdir(parents=True, exist_ok=True)
    for host in COMPUTES:
        add_compute(bed, host)


def add_compute(bed: Bed, host: str) -> None:
    """What one more compute host is configured with."""
    _put(bed.conf / host / 'nova.conf', text_of(nova(bed, host)))
    (bed.state / host).mkdir(parents=True, exist_ok=True)


def _put(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
