"""All options by their group, for oslo-config-generator.

The namespace `watcher_tsmig`; the sample in `etc/` is made from it.
"""

from collections.abc import Sequence

from oslo_config import cfg

from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.options import options

GROUPS: tuple[tuple[str, tuple[cfg.Opt, ...]], ...] = (
    ('watcher_strategies.traffic_sensitive_drain', options.STRATEGY),
    ('watcher_strategies.traffic_sensitive_maintenance', options.STRATEGY),
    ('watcher_strategies.traffic_sensitive_relief', options.RELIEF),
    ('watcher_actions.traffic_sensitive_migrate', action_options.ACTION),
    ('watcher_actions.traffic_sensitive_verify', action_options.VERIFY),
)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """Each group with its options, without those of Watcher's own."""
    return list(GROUPS)
