"""How the commands get at a cloud: credentials, configuration, errors.

No command lives here. The client that loads the commands has the session;
a configuration file adds what only services know.
"""

import argparse
import dataclasses
import types
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import oslo_messaging
from oslo_config import cfg

from watcher_tsmig import errors
from watcher_tsmig.agent import driver
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.plugin.options import options
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.direct import Access
from watcher_tsmig.telemetry.direct import Origin
from watcher_tsmig.telemetry.direct import reach

# Whose options say how telemetry is read.
GROUP = 'watcher_strategies.traffic_sensitive_drain'
# Of Watcher's own: no defaults, for these depend on the applier's host.
TASKFLOW = 'watcher_workflow_engines.taskflow'
WORKERS = cfg.IntOpt('max_workers')
BUS = cfg.StrOpt('transport_url', secret=True)

# What an audit assumes where no file says anything.
USUAL = options.prior(
    types.SimpleNamespace(**{o.name: o.default for o in options.ASSUMPTIONS})
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the configuration says.

    :ivar origin: who is asked for measures
    :ivar agents: asks the hosts' agents; None without a bus
    :ivar options: of Watcher's own, by `group/name`; None without a file
    :ivar prior: what durations of migrations are read by
    :ivar calibration: the file of what was learned, of the service's host;
        empty for none
    """

    settings: Settings = Settings()
    origin: Origin = Origin()
    agents: Asker | None = None
    options: Mapping[str, int | str] | None = None
    prior: Prior = USUAL
    calibration: str = ''


def take_files(parser: argparse.ArgumentParser) -> None:
    """Give a command the option that names configuration files."""
    parser.add_argument(
        '--config-file',
        metavar='<file>',
        action='append',
        default=[],
        help="Watcher's configuration (repeat for several): how telemetry is "
        'read, and with its transport_url the agents of the hosts are asked',
    )


def configured(files: Sequence[str]) -> Configured:
    """What these configuration files say; the defaults without any.

    :raises errors.InputError: one cannot be read or used
    """
    if not files:
        return Configured()
    conf = cfg.ConfigOpts()
    conf.register_opts(options.STRATEGY, GROUP)
    conf.register_opt(WORKERS, TASKFLOW)
    conf.register_opt(BUS)
    try:
        _read(conf, files)
        told = conf[GROUP]
        settings = options.settings(told)
        origin = Origin(name=told.metrics_source, place=told.metrics_place)
        found = {
            f'{TASKFLOW}/{WORKERS.name}': conf[TASKFLOW].max_workers,
        }
        agents = None
        if conf.transport_url:
            # oslo.messaging has options of its own in the process's
            # configuration, and wants them there
            _read(cfg.CONF, files)
            agents = driver.on_bus(cfg.CONF, told.agent_timeout)
    except (
        cfg.Error,
        oslo_messaging.MessagingException,
        ValueError,
    ) as error:
        # its text may hold a line of the file, and that a password
        raise errors.InputError(
            f'{", ".join(files)} cannot be used ({type(error).__name__})',
            '--config-file',
        ) from None
    return Configured(
        settings=settings,
        origin=origin,
        agents=agents,
        prior=options.prior(told),
        calibration=_calibration(told),
        options={k: v for k, v in found.items() if v is not None},
    )


def _calibration(told: Any) -> str:  # noqa: ANN401 - oslo.config
    """The file, if its name does not depend on options of Watcher's."""
    try:
        return told.calibration_file or ''
    except (cfg.NoSuchOptError, cfg.TemplateSubstitutionError):
        return ''


def _read(conf: cfg.ConfigOpts, files: Sequence[str]) -> None:
    conf([], default_config_files=list(files), default_config_dirs=[])


def access(client_manager: Any) -> Access:  # noqa: ANN401 - the client's
    """The cloud that the client is logged in to.

    :raises errors.CloudError: Keystone does not let us in
    """
    return reach(client_manager.sdk_connection)
