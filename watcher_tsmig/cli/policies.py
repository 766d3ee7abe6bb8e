"""`openstack optimize tsmig policies`: what a plan may cost, by its policy.

The table of the planner's policies, as it is; no cloud is asked.
"""

import argparse
from collections.abc import Iterator

from osc_lib.command import command

from watcher_tsmig.plan import policies
from watcher_tsmig.plugin.schema import schema

HEADINGS = (
    'Policy',
    'What comes first',
    'Urgency',
    'NIC share',
    'NIC floor',
    'Per source',
    'Per destination',
    'In cluster',
)
Row = tuple[str, str, float, float, float, int, int, int]


class Policies(command.Lister):
    """List the policies that a drain or a relief may be asked for.

    Urgency is how many seconds in which one VM does not serve a second of the
    whole plan is worth. NIC share is what migrations may take of what
    applications leave, NIC floor what they get of a NIC in any case.
    """

    auth_required = False

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """One row for each, the gentlest first."""
        return HEADINGS, rows()


def rows() -> Iterator[Row]:
    """The policies as they are."""
    for name, row in policies.POLICIES.items():
        yield (
            name,
            schema.FIRST[name],
            row.urgency,
            row.nic_share,
            row.nic_floor,
            row.max_per_source,
            row.max_per_destination,
            row.max_in_cluster,
        )
