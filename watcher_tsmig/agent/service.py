"""The agent as a process: started, running, stopped.

    tsmig-agent                  serve, until SIGTERM
    tsmig-agent restore          take caps back and restore memory, once
                                 (ExecStopPost)
    tsmig-agent ask VERB [N=V]   ask the running agent, as root

Only putting together lives here.
"""

import json
import logging
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_log import log

from watcher_tsmig import errors
from watcher_tsmig.agent import bus
from watcher_tsmig.agent import facts
from watcher_tsmig.agent import local
from watcher_tsmig.agent import options
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.measure.survey import Survey
from watcher_tsmig.agent.measure.survey import Terms
from watcher_tsmig.agent.memory.balloon import Lender
from watcher_tsmig.agent.verbs import VERBS
from watcher_tsmig.agent.virt import Libvirt

LOG = logging.getLogger(__name__)

LEDGER = 'caps.json'
LOANS = 'memory.json'
PROGRAM = 'tsmig-agent'
# s for all that stops, of which systemd gives 90
STOP_WITHIN = 5.0


def _commands(parsers: Any) -> None:  # noqa: ANN401 - argparse's
    parsers.add_parser('serve', help='Serve until SIGTERM (the default).')
    parsers.add_parser('restore', help='Take caps back, restore memory.')
    ask = parsers.add_parser('ask', help='Ask the running agent, as root.')
    ask.add_argument('verb', choices=sorted(VERBS))
    ask.add_argument('arguments', nargs='*', metavar='NAME=VALUE')


COMMAND = cfg.SubCommandOpt('command', title='Commands', handler=_commands)


def main(
    arguments: Sequence[str] | None = None,
    hypervisor: Callable[[cfg.ConfigOpts], Hypervisor] | None = None,
) -> int:
    """The program.

    :param hypervisor: makes one from the configuration; libvirt's if None
    """
    # oslo.messaging registers some of its options in this one only
    conf = cfg.CONF
    options.register(conf)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not {'serve', 'restore', 'ask'} & set(given):
        given.append('serve')
    conf.register_cli_opt(COMMAND)
    log.register_options(conf)
    try:
        conf(given, project=PROGRAM)
        log.setup(conf, PROGRAM)
        own = conf[options.GROUP]
        if conf.command.name == 'ask':
            return _ask(own.socket, conf.command)
        make = hypervisor or (lambda c: Libvirt(c[options.GROUP].libvirt_uri))
        keeper, lender, made = _keepers(conf, make)
        if conf.command.name == 'restore':
            return _restore(keeper, lender)
        return _serve(conf, keeper, lender, made)
    except (cfg.Error, errors.TsmigError) as error:
        print(f'{PROGRAM}: {error}', file=sys.stderr)
        return 1


def _keepers(
    conf: cfg.ConfigOpts, make: Callable[[cfg.ConfigOpts], Hypervisor]
) -> tuple[Keeper, Lender, Hypervisor]:
    folder = pathlib.Path(conf[options.GROUP].state_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise errors.InputError(
            f'cannot be made: {error.strerror}', str(folder)
        ) from error
    made = make(conf)
    return (
        Keeper(made, folder / LEDGER, time.time),
        Lender(made, folder / LOANS, time.time),
        made,
    )


def _ask(path: str, command: Any) -> int:  # noqa: ANN401
    given: dict[str, Any] = {}
    for text in command.arguments:
        name, _, value = text.partition('=')
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    answer = local.ask(path, command.verb, given)
    print(json.dumps(answer, indent=2, sort_keys=True))
    return 0 if answer.get('ok') else 1


def _restore(keeper: Keeper, lender: Lender) -> int:
    for left, what in (
        (keeper.restore(), 'keep caps of ours'),
        (lender.restore(), 'have not their whole memory'),
    ):
        if left:
            LOG.warning(
                '%d VMs that migrate %s; the next start of the agent looks '
                'at them again',
                left,
                what,
            )
    return 0


def _serve(
    conf: cfg.ConfigOpts,
    keeper: Keeper,
    lender: Lender,
    hypervisor: Hypervisor,
) -> int:
    own = conf[options.GROUP]
    host = facts.host_name(own.host, own.nova_config_files)
    agent = Agent(
        hypervisor,
        keeper,
        lambda: facts.capabilities(
            hypervisor, own.nova_config_files, own.tenant_interfaces
        ),
        lambda: facts.traffic(own.nova_config_files),
        lender=lender,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # what a dead agent left; who still needs it asks for it again
    keeper.restore()
    lender.restore()
    stops: list[Callable[[], object]] = []
    try:
        survey = _survey(own, hypervisor, agent, keeper)
        if survey:
            survey.start()
            stops.append(survey.stop)
        if own.socket:
            server = local.Server(own.socket, agent)
            threading.Thread(
                target=server.serve_forever, daemon=True, name='socket'
            ).start()
            stops += [server.shutdown, server.server_close]
        if own.bus:
            listener, transport = _listener(conf, host, agent)
            stops += [listener.stop, transport.cleanup]
        LOG.info('The agent of %s serves', host)
        while not stop.wait(own.tick):
            _tick(keeper, lender)
    finally:
        clean = _stopped(stops)
    left, small = keeper.restore(), lender.restore()
    LOG.info(
        'The agent of %s has stopped, %d caps and %d smaller VMs are left',
        host,
        left,
        small,
    )
    if not clean:
        # oslo.messaging waits for a bus that is away, and Python for it
        logging.shutdown()
        os._exit(0)
    return 0


def _survey(
    own: Any,  # noqa: ANN401 - oslo.config's group
    hypervisor: Hypervisor,
    agent: Agent,
    keeper: Keeper,
) -> Survey | None:
    """Who measures in the background; None where nobody is to."""
    path = pathlib.Path(own.spool)
    if not own.survey_budget:
        return None
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        # what else it does, hosts depend on
        LOG.error(
            '%s cannot be made (%s): guests are not measured in the '
            'background. Make it for the user of the agent, or name another '
            'spool',
            path.parent,
            error.strerror,
        )
        return None
    return Survey(
        hypervisor,
        agent.measurements,
        path,
        Terms(
            budget=own.survey_budget,
            every=own.survey_interval,
            at_once=own.survey_at_once,
            bitmap=own.survey_bitmap_share,
        ),
        # who has caps is about to migrate
        keeper.entries,
    )


def _listener(
    conf: cfg.ConfigOpts, host: str, agent: Agent
) -> tuple[Any, Any]:
    """The RPC server, which starts as soon as the bus is there.

    It waits for the bus without end, and caps have to be kept meanwhile.
    """
    transport = oslo_messaging.get_rpc_transport(conf)
    listener = bus.server(transport, host, agent)
    workers = conf[options.GROUP].workers
    # what is worked on at once, and what more is held in memory
    conf.set_default('executor_thread_pool_size', workers)
    if 'oslo_messaging_rabbit' in conf:
        conf.set_default(
            'rabbit_qos_prefetch_count', workers, 'oslo_messaging_rabbit'
        )
    threading.Thread(target=listener.start, daemon=True, name='bus').start()
    return listener, transport


def _tick(keeper: Keeper, lender: Lender) -> None:
    """Look at everything; what cannot be done now is tried again."""
    for one in (keeper, lender):
        try:
            one.tick()
        except Exception:
            LOG.exception('%s could not look', type(one).__name__)


def _stopped(stops: list[Callable[[], object]]) -> bool:
    """Stop all of it, within a bound; whether it has."""

    def run() -> None:
        for one in stops:
            try:
                one()
            except Exception:
                LOG.exception('It was not stopped cleanly')

    thread = threading.Thread(target=run, daemon=True, name='stop')
    thread.start()
    thread.join(STOP_WITHIN)
    return not thread.is_alive()


if __name__ == '__main__':
    sys.exit(main())
