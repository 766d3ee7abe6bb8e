"""Ceilometer's pollsters of what the agent on their host measured.

Loaded by ceilometer-polling (compute), one for each metric, since its
exporter forgets a metric by its pollster's name. They read the spool and
never measure: pollsters run one after another, and libvirt is read-only to
them. Nothing of ours is imported but the spool.
"""

import datetime
import functools
import logging
import pathlib
import time
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from ceilometer import sample
from ceilometer.compute.pollsters import util
from ceilometer.polling import plugin_base
from oslo_config import cfg

from watcher_tsmig import errors
from watcher_tsmig.agent import spool
from watcher_tsmig.units import MIB

LOG = logging.getLogger(__name__)

GROUP = 'tsmig_agent'
CACHE = 'tsmig-spool'
# By how a metric's name ends: Ceilometer's unit, and how many of it one is
PERCENT = ('%', 100.0)
UNITS = {
    'zero': PERCENT,
}
SIZE = ('MiB', 1 / MIB)


class Measured(sample.Sample):
    """A sample of the moment when it was measured.

    Ceilometer gives all samples of a poll the moment of that poll, and one
    measurement would count again with each.
    """

    def set_timestamp(self, timestamp: str) -> None:
        """Keep it as it is."""


class Pollster(plugin_base.PollsterBase):
    """One metric of the instances of this host."""

    def __init__(self, metric: str, conf: cfg.ConfigOpts) -> None:
        self.metric = metric
        conf.register_opts([spool.OPTION], GROUP)
        super().__init__(conf)

    @property
    def default_discovery(self) -> str:
        """Instances of this host."""
        return 'local_instances'

    def get_samples(
        self,
        manager: object,
        cache: dict[str, Any],
        resources: Sequence[Any],
    ) -> Iterator[sample.Sample]:
        """One of each instance that was measured.

        :param cache: of one poll, all metrics together
        """
        if CACHE not in cache:
            cache[CACHE] = _read(pathlib.Path(self.conf[GROUP].spool))
        least = time.time() - spool.OLD
        unit, times = UNITS.get(self.metric.rpartition('.')[2], SIZE)
        for instance in resources:
            found = cache[CACHE].get(instance.id, {}).get(self.metric)
            if found is None or found.at < least:
                continue
            made = util.make_sample_from_instance(
                self.conf,
                instance,
                name=self.metric,
                type=sample.TYPE_GAUGE,
                unit=unit,
                volume=found.value * times,
            )
            at = datetime.datetime.fromtimestamp(found.at, datetime.UTC)
            yield Measured(
                **{
                    **made.as_dict(),
                    # as Ceilometer writes it: UTC that does not say so
                    'timestamp': at.replace(tzinfo=None).isoformat(),
                }
            )


def _read(path: pathlib.Path) -> dict[str, dict[str, spool.Value]]:
    try:
        return spool.read(path)
    except errors.InputError as error:
        LOG.warning(
            '%s: nothing of it is published. Does tsmig-agent run here, '
            "with the same spool, and is this user in its user's group?",
            error,
        )
        return {}


# The entry points, in the order of the spool's table.
(
    dirty_t1, dirty_t2, dirty_t4, dirty_t8, dirty_t16, dirty_t32, dirty_t60,
    nonzero, contents_zero, written_zero,
) = (
    functools.partial(Pollster, metric) for metric in spool.metrics()
)  # fmt: skip
