"""The services between an agent and who reads: configured and started.

In the mini-cloud's environment and namespace, without a Keystone: Gnocchi
takes its clients' names, and Ceilometer has Gnocchi's own way to say them.
"""

import pathlib

import yaml

from tests.lab.libvirtd import Daemon
from tests.minicloud import configuration
from tests.minicloud import stages
from tests.minicloud.bed import CHECKOUT
from tests.minicloud.bed import Bed
from tests.telemetry import past

EXPORTER, PROMETHEUS = 9101, 9090
# s between two polls, and between two scrapes
POLLED, SCRAPED = 5, 1
SAMPLES = CHECKOUT / 'etc/ceilometer'

PIPELINE = """
sources:
  - name: all
    meters: ['*']
    sinks: [gnocchi]
sinks:
  - name: gnocchi
    publishers: ['gnocchi://?enable_filter_project=false']
"""
NO_EVENTS = 'sources: []\nsinks: []\n'
SCRAPES = f"""
global: {{scrape_interval: {SCRAPED}s}}
scrape_configs:
  - job_name: ceilometer
    static_configs: [{{targets: ['127.0.0.1:{EXPORTER}']}}]
"""


def configure(bed: Bed, daemon: Daemon, spool: pathlib.Path) -> None:
    """All configuration files."""
    folder = bed.conf / 'ceilometer'
    folder.mkdir(parents=True)
    (bed.conf / 'gnocchi').mkdir()
    gnocchi = dict(configuration.gnocchi(bed))
    del gnocchi['keystone_authtoken']
    gnocchi['api'] = {'auth_mode': 'basic'}
    texts = {
        'gnocchi/gnocchi.conf': configuration.text_of(gnocchi),
        'ceilometer/ceilometer.conf': configuration.text_of(
            ceilometer(folder, daemon, spool)
        ),
        'ceilometer/polling.yaml': polling(),
        'ceilometer/gnocchi_resources.yaml': resources(bed),
        'ceilometer/pipeline.yaml': PIPELINE,
        'ceilometer/event_pipeline.yaml': NO_EVENTS,
        'prometheus.yaml': SCRAPES,
    }
    for name, text in texts.items():
        (bed.conf / name).write_text(text)
    for name in ('gnocchi-storage', 'gnocchi-coordination', 'mariadb'):
        (bed.state / name).mkdir(parents=True)


def ceilometer(
    folder: pathlib.Path, daemon: Daemon, spool: pathlib.Path
) -> configuration.Sections:
    """ceilometer.conf of a compute host, and of the notification agent."""
    socket = daemon.path('libvirt/libvirt-sock')
    return {
        'DEFAULT': {
            'transport_url': configuration.TRANSPORT,
            'host': daemon.host,
            'libvirt_uri': f'qemu+unix:///system?socket={socket}',
        },
        'compute': {'instance_discovery_method': 'libvirt_metadata'},
        'polling': {
            'cfg_file': folder / 'polling.yaml',
            'enable_prometheus_exporter': 'true',
            'prometheus_listen_addresses': f'127.0.0.1:{EXPORTER}',
            'batch_size': 1000,
        },
        'notification': {
            'pipelines': 'meter',
            'workers': 1,
        },
        'oslo_messaging_rabbit': configuration.RABBIT,
        'service_credentials': {
            'auth_type': 'gnocchi-basic',
            'user': 'admin',
            'endpoint': configuration.url('gnocchi-api'),
        },
        'tsmig_agent': {'spool': spool},
    }


def polling() -> str:
    """Our sample, at a shorter interval."""
    found = yaml.safe_load((SAMPLES / 'polling.yaml').read_text())
    found['sources'][0]['interval'] = POLLED
    return yaml.safe_dump(found)


def resources(bed: Bed) -> str:
    """Ceilometer's own with our sample at its end, as the sample says."""
    own = 'lib/*/site-packages/ceilometer/publisher/data'
    (path,) = bed.venv.glob(f'{own}/gnocchi_resources.yaml')
    return path.read_text() + (SAMPLES / path.name).read_text()


def start(bed: Bed, daemon: Daemon) -> None:
    """All of it, in the order of need."""
    stages.rabbit(bed)
    stages.mariadb(bed)
    stages.gnocchi_alone(bed)
    conf = bed.conf / 'ceilometer/ceilometer.conf'
    stages.start_service(bed, 'gnocchi-api').ready(
        port=configuration.PORTS['gnocchi-api']
    )
    stages.start_service(bed, 'gnocchi-metricd')
    given = ['--config-file', str(conf)]
    bed.run(
        'ceilometer-upgrade',
        [bed.program('ceilometer-upgrade'), *given, '--retry', '3'],
    )
    notifying = 'ceilometer-agent-notification'
    bed.start(notifying, [bed.program(notifying), *given])
    launch = pathlib.Path(__file__).parent / 'launch.py'
    bed.start(
        'ceilometer-polling',
        [bed.program('python'), str(launch), str(daemon.root)]
        + [str(CHECKOUT), '--polling-namespaces', 'compute', *given],
    ).ready(port=EXPORTER)
    past.write(bed.state / 'prometheus')
    bed.start(
        'prometheus',
        ['prometheus', f'--config.file={bed.conf}/prometheus.yaml']
        + [f'--storage.tsdb.path={bed.state}/prometheus']
        + [f'--web.listen-address=127.0.0.1:{PROMETHEUS}'],
    ).ready(port=PROMETHEUS)


def metadata(bed: Bed, name: str, memory: float, project: str) -> str:
    """What Nova would write into the guest's definition."""
    out = bed.folder / 'metadata.xml'
    script = pathlib.Path(__file__).parent / 'metadata.py'
    words = [name, f'{memory / 2**20:.0f}', project, project]
    line = ' '.join([bed.program('python'), str(script), *words])
    bed.run('metadata', ['sh', '-c', f'{line} >{out}'])
    return out.read_text()
