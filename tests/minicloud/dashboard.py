"""Stock Horizon with Watcher's panels, in an environment of its own."""

import os
import pathlib
import shutil
import sys
from urllib import request

from tests.minicloud.bed import Bed
from tests.minicloud.configuration import PORTS
from tests.minicloud.configuration import url
from tests.minicloud.stages import HERE
from tests.minicloud.stages import SERVICES

# s; a minute on a slow machine
FIRST_PAGE = 300
REQUIRED = ('horizon', 'watcher-dashboard')
CONSTRAINTS = HERE / 'horizon-constraints.txt'


def install(bed: Bed) -> None:
    """Both from PyPI, and the panels enabled as their guide says.

    :raises Failed: pip says why
    """
    venv, mark = _venv(bed), _venv(bed) / 'stamp'
    stamp = '\n'.join([str(venv), sys.version, CONSTRAINTS.read_text()])
    if not mark.exists() or mark.read_text() != stamp:
        shutil.rmtree(venv, ignore_errors=True)
        bed.run('horizon-install', [sys.executable, '-m', 'venv', str(venv)])
        bed.run(
            'horizon-install',
            [_python(bed), '-m', 'pip', 'install', '-q']
            + ['--disable-pip-version-check', '-c', str(CONSTRAINTS)]
            + [*REQUIRED],
            timeout=1200,
        )
        mark.write_text(stamp)
    (packages,) = venv.glob('lib/python*/site-packages')
    local = packages / 'openstack_dashboard/local'
    shutil.copy(SERVICES / 'horizon_settings.py', local / 'local_settings.py')
    for panel in packages.glob('watcher_dashboard/local/enabled/_3*.py'):
        shutil.copy(panel, local / 'enabled')


def serve(bed: Bed) -> None:
    """Horizon on its port, by Django's own server.

    :raises Failed: it does not get ready
    """
    state = _state(bed)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    manage = [_python(bed), '-m', 'django']
    environment = {
        'DJANGO_SETTINGS_MODULE': 'openstack_dashboard.settings',
        'TSMIG_HORIZON_STATE': str(state),
        'TSMIG_HORIZON_KEY': bed.password,
        'TSMIG_KEYSTONE_URL': f'{url("keystone")}/v3',
        'PATH': f'{_venv(bed)}/bin:{os.defpath}',
    }
    bed.run(
        'horizon-static',
        [*manage, 'collectstatic', '--noinput', '--verbosity', '0'],
        environment=environment,
    )
    bed.stop('horizon')
    bed.start(
        'horizon',
        [*manage, 'runserver', '--noreload', f'127.0.0.1:{PORTS["horizon"]}'],
        environment,
    ).ready(port=PORTS['horizon'])
    # its style sheets are compiled for the first who asks
    request.urlopen(f'{url("horizon")}/auth/login/', timeout=FIRST_PAGE)


def _venv(bed: Bed) -> pathlib.Path:
    return bed.folder / 'horizon'


def _python(bed: Bed) -> str:
    return str(_venv(bed) / 'bin/python')


def _state(bed: Bed) -> pathlib.Path:
    return bed.state / 'horizon'
