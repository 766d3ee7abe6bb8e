"""The stages in which the mini-cloud comes up, in order of need.

Each is one function of the bed; STAGES is the table that `up` goes through.
A stage that fails raises `Failed`, which says what to look at.
"""

import concurrent.futures
import hashlib
import json
import pathlib
import shutil
import sys
from collections.abc import Callable
from collections.abc import Sequence

from tests.agent.rabbit import SERVER
from tests.agent.rabbit import environment
from tests.minicloud import configuration
from tests.minicloud.bed import CHECKOUT
from tests.minicloud.bed import Bed
from tests.minicloud.bed import Process
from tests.minicloud.configuration import COMPUTES
from tests.minicloud.configuration import DATABASES
from tests.minicloud.configuration import NIC
from tests.minicloud.configuration import PORTS
from tests.minicloud.configuration import url

WATCHER_SERVICES = 'watcher-api,watcher-decision-engine,watcher-applier'
POST_CONFIG = ('stack', 'post-config')
CONFIG = '--config-file'
HERE = pathlib.Path(__file__).resolve().parent
SERVICES = HERE / 'services'
MARIADB = (
    '--no-defaults',
    '--user=root',
    '--bind-address=127.0.0.1',
    f'--port={PORTS["mariadb"]}',
    '--max-connections=500',
    '--skip-log-bin',
    # a bed is made anew after a crash, so nothing needs to be durable
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-flush-method=nosync',
    '--innodb-doublewrite=0',
)


def install(bed: Bed) -> None:
    """The control plane in an environment of its own, then the plugin."""
    names = ('requirements.txt', 'constraints.txt')
    parts = [str(CHECKOUT), sys.version, bed_watcher(bed)]
    parts += [(HERE / name).read_text() for name in names]
    stamp = hashlib.sha256('\n'.join(parts).encode()).hexdigest()
    mark = bed.venv / 'stamp'
    python = bed.program('python')
    if not mark.exists() or mark.read_text() != stamp:
        shutil.rmtree(bed.venv, ignore_errors=True)
        bed.run('install', [sys.executable, '-m', 'venv', str(bed.venv)])
        constraints = bed.folder / 'constraints.txt'
        lines = (HERE / 'constraints.txt').read_text().splitlines()
        pin = 'python-watcher=='
        kept = [line for line in lines if not line.startswith(pin)]
        constraints.write_text('\n'.join([*kept, pin + bed_watcher(bed)]))
        bed.run(
            'install',
            [python, '-m', 'pip', 'install', '-q']
            + ['--disable-pip-version-check', '-c', str(constraints)]
            + ['-r', str(HERE / 'requirements.txt')],
            timeout=1200,
        )
        mark.write_text(stamp)


def bed_watcher(bed: Bed) -> str:
    """The release of Watcher that was asked for."""
    asked = bed.folder / 'watcher'
    return asked.read_text().strip() if asked.exists() else '17.0.0'


def plugin(bed: Bed) -> None:
    """Install from the checkout by the devstack plugin, as a user would."""
    constraints = bed.folder / 'constraints.txt'
    pip = f'{bed.program("python")} -m pip -q --disable-pip-version-check'
    bed.run('install', [*pip.split(), 'uninstall', '-y', 'watcher-tsmig'])
    devstack(
        bed,
        'stack',
        'install',
        ENABLED_SERVICES=WATCHER_SERVICES,
        PIP=f'env PIP_CONSTRAINT={constraints} {pip}',
    )


def devstack(bed: Bed, *phase: str, **variables: str) -> None:
    """One phase of the devstack plugin."""
    bed.run(
        'devstack',
        ['bash', str(HERE / 'devstack.sh'), *phase],
        # of the machine, not of the mini-cloud: left as it is
        environment={'TSMIG_USERFAULTFD': 'False', **variables},
    )


def empty(bed: Bed) -> None:
    """Nothing of an earlier bed's files is left."""
    for folder in (bed.conf, bed.state, bed.folder / 'run'):
        shutil.rmtree(folder, ignore_errors=True)


def configure(bed: Bed) -> None:
    """All configuration files."""
    empty(bed)
    configuration.write(bed)
    devstack(
        bed,
        *POST_CONFIG,
        ENABLED_SERVICES=WATCHER_SERVICES,
        WATCHER_CONF=str(bed.conf / 'watcher/watcher.conf'),
    )
    for host in COMPUTES:
        configure_compute(bed, host)


def configure_compute(bed: Bed, host: str) -> None:
    """The plugin's share of a compute host's nova.conf."""
    devstack(
        bed,
        *POST_CONFIG,
        ENABLED_SERVICES='n-cpu',
        NOVA_CONF=str(bed.conf / host / 'nova.conf'),
        # Nova's own default, under which plans have to prove themselves
        TSMIG_MAX_CONCURRENT='1',
    )


def rabbit(bed: Bed) -> None:
    """The bus, with nothing of the machine's own RabbitMQ."""
    bed.start(
        'rabbit',
        [SERVER],
        environment(bed.state / 'rabbit', PORTS['rabbit']),
    ).ready(port=PORTS['rabbit'])


def mariadb(bed: Bed) -> None:
    """The database server."""
    data = bed.state / 'mariadb'
    bed.run(
        'mariadb-install',
        ['mariadb-install-db', '--no-defaults', '--user=root']
        + [f'--datadir={data}', '--auth-root-authentication-method=normal']
        + ['--skip-test-db'],
    )
    bed.start(
        'mariadb',
        ['mariadbd', *MARIADB, f'--datadir={data}']
        + [f'--socket={bed.state}/mariadb.sock']
        + [f'--pid-file={bed.state}/mariadb.pid'],
    ).ready(port=PORTS['mariadb'])


def schema(bed: Bed) -> None:
    """The databases, from the dump of an earlier run where it fits."""
    names = ('requirements.txt', 'constraints.txt', 'configuration.py')
    parts = [(HERE / name).read_text() for name in (*names, 'stages.py')]
    parts += [bed_watcher(bed), bed.password]
    stamp = hashlib.sha256('\n'.join(parts).encode()).hexdigest()
    dump, mark = bed.dump / 'all.sql', bed.dump / 'stamp'
    if mark.exists() and mark.read_text() == stamp:
        _sql(bed, f'source {dump}')
        # its storage is folders, which the dump does not have
        _gnocchi_schema(bed)
        return
    shutil.rmtree(bed.dump, ignore_errors=True)
    bed.dump.mkdir(mode=0o700)
    _sql(bed, ''.join(f'create database {name};' for name in DATABASES))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(task, bed) for task in SCHEMAS]:
            done.result()
    bed.run(
        'dump',
        ['mariadb-dump', '--no-defaults', '-uroot', '-h127.0.0.1']
        + ['--databases', *DATABASES, f'--result-file={dump}'],
    )
    mark.write_text(stamp)


def _sql(bed: Bed, text: str) -> None:
    bed.run(
        'sql',
        ['mariadb', '--no-defaults', '-uroot', '-h127.0.0.1'],
        text=text,
    )


def _nova_schema(bed: Bed) -> None:
    cell0 = configuration.database('nova_cell0')
    for words in (
        ['api_db', 'sync'],
        ['cell_v2', 'map_cell0', '--database_connection', cell0],
        ['db', 'sync'],
        ['cell_v2', 'create_cell', '--name', 'cell1'],
    ):
        _manage(bed, 'nova-manage', 'nova/nova.conf', *words)


def _keystone_schema(bed: Bed) -> None:
    who = ('--keystone-user', 'root', '--keystone-group', 'root')
    public = f'{url("keystone")}/v3/'
    for name in ('fernet', 'credential'):
        (bed.dump / name).mkdir(mode=0o700)
    for words in (
        ['db_sync'],
        ['fernet_setup', *who],
        ['credential_setup', *who],
        ['bootstrap', '--bootstrap-password', bed.password]
        + ['--bootstrap-region-id', 'RegionOne']
        + [f'--bootstrap-{k}-url={public}' for k in INTERFACES],
    ):
        _manage(bed, 'keystone-manage', 'keystone/keystone.conf', *words)


def _gnocchi_schema(bed: Bed) -> None:
    _manage(bed, 'gnocchi-upgrade', 'gnocchi/gnocchi.conf')


def _manage(bed: Bed, program: str, conf: str, *words: str) -> None:
    bed.run(
        program,
        [bed.program(program), '--config-file', str(bed.conf / conf), *words],
    )


def gnocchi_alone(bed: Bed) -> None:
    """Gnocchi's database and storage, and no other service's."""
    _sql(bed, 'create database gnocchi;')
    _gnocchi_schema(bed)


INTERFACES = ('admin', 'internal', 'public')
SCHEMAS: tuple[Callable[[Bed], None], ...] = (
    _nova_schema,
    _keystone_schema,
    lambda bed: _manage(
        bed, 'watcher-db-manage', 'watcher/watcher.conf', 'upgrade'
    ),
    lambda bed: _manage(
        bed, 'glance-manage', 'glance/glance-api.conf', 'db_sync'
    ),
    lambda bed: _manage(
        bed, 'placement-manage', 'placement/placement.conf', 'db', 'sync'
    ),
    _gnocchi_schema,
)


def apis(bed: Bed) -> None:
    """The services that answer HTTP."""
    started = [
        (start_service(bed, name), PORTS[name])
        for name in WSGI
        if name != 'watcher-api'
    ]
    for process, port in started:
        process.ready(port=port)


def workers(bed: Bed) -> None:
    """Nova's and Gnocchi's; they read the catalogue once, when they start."""
    for name in WORKERS:
        start_service(bed, name)


def computes(bed: Bed) -> None:
    """The hardware, and a nova-compute for each host."""
    start_computes(bed, COMPUTES)


def start_computes(
    bed: Bed, hosts: Sequence[str], name: str = 'hypervisors'
) -> None:
    """Hosts on hardware of their own, once all are part of the cloud."""
    nics = [f'{host}={NIC:g}' for host in hosts]
    bed.start(
        name,
        [bed.program('python'), '-m', 'tests.minicloud.hypervisors']
        + [str(bed.hypervisors), *nics],
        {'PYTHONPATH': str(CHECKOUT)},
    ).ready(says='ready')
    joined(bed, [start_service(bed, host) for host in hosts])


def agents(bed: Bed) -> None:
    """An agent for each host, on the cloud's bus."""
    start_agents(bed).ready(says='agents serve')


def start_agents(
    bed: Bed,
    hosts: Sequence[str] = COMPUTES,
    name: str = 'agents',
    ahead: float = 0.0,
) -> Process:
    """Start the agents; also after a test has stopped them.

    :param ahead: of the machine's clock, s
    """
    return bed.start(
        name,
        [bed.program('python'), '-m', 'tests.minicloud.agents']
        + [str(bed.hypervisors), str(bed.conf), *hosts],
        {'PYTHONPATH': str(CHECKOUT), 'TSMIG_CLOCK': f'{ahead:g}'},
    )


def joined(bed: Bed, started: list[Process]) -> None:
    """Wait until each nova-compute has made its host part of the cloud."""
    for process in started:
        process.ready(says='Created resource provider record', within=180)
    _manage(bed, 'nova-manage', 'nova/nova.conf', 'cell_v2', 'discover_hosts')


def contents(bed: Bed) -> None:
    """Catalogue, flavors, an image, archive policies: what any cloud has."""
    bed.run(
        'contents',
        [bed.program('python'), '-m', 'tests.minicloud.contents']
        + [json.dumps(openrc(bed))],
        environment={'PYTHONPATH': str(CHECKOUT)},
    )


def watcher(bed: Bed) -> None:
    """Watcher's three services."""
    start_service(bed, 'watcher-api').ready(port=PORTS['watcher-api'])
    for name in ('watcher-decision-engine', 'watcher-applier'):
        start_service(bed, name).ready(says='Starting')


def start_service(
    bed: Bed, name: str, again: str = '', confs: Sequence[str] = ()
) -> Process:
    """Start one of the services; also after a test has stopped it.

    :param name: of a service, or of a compute host
    :param again: the name of one more of it, beside the first
    :param confs: more configuration files for one of WORKERS_CONF
    """
    if name in WSGI:
        target, conf = WSGI[name]
        arguments = [str(SERVICES / 'wsgi.py'), target, str(PORTS[name])]
        if conf:
            arguments += [CONFIG, str(bed.conf / conf)]
        command = [bed.program('python'), *arguments]
    elif name in WORKERS_CONF:
        files = (str(bed.conf / WORKERS_CONF[name]), *confs)
        command = [bed.program(name)]
        command += [word for file in files for word in (CONFIG, file)]
    else:
        command = [
            bed.program('python'),
            str(SERVICES / 'nova_driver/compute.py'),
            *(CONFIG, str(bed.conf / name / 'nova.conf')),
        ]
    return bed.start(
        again or name,
        command,
        {
            'PYTHONPATH': str(SERVICES),
            'OS_KEYSTONE_CONFIG_DIR': str(bed.conf / 'keystone'),
            'OS_PLACEMENT_CONFIG_DIR': str(bed.conf / 'placement'),
            'OS_GLANCE_CONFIG_DIR': str(bed.conf / 'glance'),
            'OS_NOVA_CONFIG_DIR': str(bed.conf / 'nova'),
            'TSMIG_HYPERVISORS': str(bed.hypervisors),
        },
    )


#: application and, where it wants one, the file that it is told
WSGI = {
    'keystone': ('keystone.wsgi.api:application', ''),
    'placement': ('placement.wsgi.api:application', ''),
    'glance': ('glance.wsgi.api:application', ''),
    'neutron': ('neutron:application', ''),
    'nova-api': ('nova.wsgi.osapi_compute:application', ''),
    'gnocchi-api': ('gnocchi_application:load', 'gnocchi/gnocchi.conf'),
    'watcher-api': ('watcher.wsgi.api:application', 'watcher/watcher.conf'),
}
WORKERS = ('nova-conductor', 'nova-scheduler', 'gnocchi-metricd')
WORKERS_CONF = {
    'nova-conductor': 'nova/nova.conf',
    'nova-scheduler': 'nova/nova.conf',
    'gnocchi-metricd': 'gnocchi/gnocchi.conf',
    'watcher-decision-engine': 'watcher/watcher.conf',
    'watcher-applier': 'watcher/watcher.conf',
}


def openrc(bed: Bed) -> dict[str, str]:
    """What the command line and openstacksdk read."""
    return {
        'OS_AUTH_URL': f'{url("keystone")}/v3',
        'OS_USERNAME': 'admin',
        'OS_PASSWORD': bed.password,
        'OS_PROJECT_NAME': 'admin',
        'OS_USER_DOMAIN_ID': 'default',
        'OS_PROJECT_DOMAIN_ID': 'default',
        'OS_REGION_NAME': 'RegionOne',
        'OS_IDENTITY_API_VERSION': '3',
        'OS_INTERFACE': 'internal',
        'OS_INFRA_OPTIM_API_VERSION': '1.4',
    }


def clean(bed: Bed) -> None:
    """Nothing of an earlier run is left, however that one ended."""
    count = bed.stop_all()
    if count:
        print(f'{count} processes of an earlier run ended', flush=True)
    shutil.rmtree(bed.logs, ignore_errors=True)


Stage = tuple[str, Callable[[Bed], None]]
#: before the namespace, from where nothing outside is reached
OUTSIDE: tuple[Stage, ...] = (('install', install), ('plugin', plugin))
INSIDE: tuple[Stage, ...] = (
    ('configure', configure),
    ('rabbit', rabbit),
    ('mariadb', mariadb),
    ('schema', schema),
    ('apis', apis),
    ('contents', contents),
    ('workers', workers),
    ('computes', computes),
    ('agents', agents),
    ('watcher', watcher),
)
