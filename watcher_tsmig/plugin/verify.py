"""The action that ends a drain: it looks whether a host is empty.

Watcher's hooks around the last look; what a VM that is still there means is
execute/emptying.py's, how one that came late is moved is migrate.py's.
"""

import functools
from typing import Any

from oslo_config import cfg
from oslo_log import log
from watcher.applier.actions import base
from watcher.common import exception

from watcher_tsmig import errors
from watcher_tsmig.execute import Order
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute import drivers
from watcher_tsmig.execute import emptying
from watcher_tsmig.execute.compute import ComputeDriver
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import acting
from watcher_tsmig.plugin import action_options
from watcher_tsmig.plugin import agents
from watcher_tsmig.plugin import parameters
from watcher_tsmig.units import GIB

LOG = log.getLogger(__name__)

# How long one may run of which nothing was foretold, s for each GiB: at 300
# Mbit/s its memory goes twice in that. Nova counts two GiB at least.
PER_GIB, LEAST_GIB = 60.0, 2.0
MIGRATE = 'watcher_actions.traffic_sensitive_migrate'


class TrafficSensitiveVerify(base.BaseAction):
    """Look whether a host is empty, and move who came late."""

    @classmethod
    def get_config_opts(cls) -> list[Any]:
        """Options of [watcher_actions.traffic_sensitive_verify]."""
        return list(action_options.VERIFY)

    @property
    def schema(self) -> dict[str, Any]:
        """Of the input parameters."""
        return parameters.VERIFY

    def get_description(self) -> str:
        """For the list of actions; at most 255 characters."""
        return (
            'Looks whether a host is empty after its drain: waits for who is '
            'still leaving or arriving, moves who came late, and says who '
            'stays and why.'
        )

    def check_abort(self) -> bool:
        """As of migrations: it watches its plan's state itself."""
        return False

    def pre_condition(self) -> None:
        """Nothing: it looks, whatever came before."""

    def execute(self) -> bool:
        """Look until it is empty, or nothing more ends by itself.

        :returns: True, as Watcher wants it
        :raises acting.ActionFailed: who is there was not to stay
        """
        given = self.input_parameters
        errand = parameters.to_errand(given, self.config.patience)
        cancelled = acting.Cancelled(given.get('action_plan_uuid') or '')
        try:
            with access.compute(
                self.osc, self._migrations.request_timeout
            ) as compute:
                driver = drivers.load(self._migrations.compute_driver, compute)
                pace = action_options.pace(self._migrations)
                found = emptying.empty(
                    Nova(driver, pace, WallClock()),
                    errand,
                    functools.partial(
                        self._move, driver, errand.host, cancelled
                    ),
                    cancelled=cancelled,
                    clock=WallClock(),
                )
        except errors.TsmigError as error:
            raise acting.ActionFailed(
                f'whether {errand.host} is empty is unknown: {error}'
            ) from error
        except exception.WatcherException:
            raise
        except Exception as error:
            # Watcher would show the name of its class and nothing else
            LOG.exception('The last look at %s', errand.host)
            raise acting.ActionFailed(
                f'{errand.host}: {type(error).__name__}: {error}'
            ) from error
        text = f'{found.told()}.'
        LOG.info('%s', text)
        acting.remark(given.get('action_plan_uuid') or '', text)
        if not found.as_planned:
            raise acting.ActionFailed(text)
        acting.tell(given, text)
        return True

    def post_condition(self) -> None:
        """Nothing: execute() has looked."""

    def revert(self) -> bool:
        """Nothing is undone."""
        return True

    def abort(self) -> bool:
        """Nothing runs that has to be withdrawn."""
        return True

    @property
    def _migrations(self) -> Any:  # noqa: ANN401
        """The options of migrations, which hold for late ones, too."""
        cfg.CONF.register_opts(action_options.ACTION, MIGRATE)
        return cfg.CONF[MIGRATE]

    def _move(
        self,
        driver: ComputeDriver,
        host: str,
        cancelled: acting.Cancelled,
        resident: Resident,
        destination: str,
    ) -> None:
        """Pre-copy one VM, of which nothing was foretold.

        :raises errors.MigrationError: it is not there
        """
        LOG.warning(
            '%s came late to %s and goes to %s',
            resident.name,
            host,
            destination,
        )
        carry_out(
            driver,
            Order(
                vm=resident.vm,
                name=resident.name,
                source=host,
                destination=destination,
                mode=Mode.PRE_COPY,
                deadline=PER_GIB * max(resident.memory / GIB, LEAST_GIB),
            ),
            cancelled=cancelled,
            caps=agents.cap_driver(self._migrations),
            governor=action_options.policy(self._migrations),
            pace=action_options.pace(self._migrations),
        )
