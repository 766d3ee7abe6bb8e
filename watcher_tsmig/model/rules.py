"""What the hypervisor and Nova do by rule, as one value.

A new QEMU or another Nova setting is another value of `Rules`, never a
branch in the forecast. Every default names where it was measured or read.
"""

import dataclasses

from watcher_tsmig import errors


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a migration starts, when pre-copy stops, and what is lost.

    :ivar downtime_limit: pre-copy stops once the rest is sent within this
        time, s (Nova's live_migration_downtime, 500 ms by default)
    :ivar max_rounds: a forecast with more rounds counts as not convergent;
        QEMU has no such limit (Xen gives up after 29), but a forecast that
        far out is not credible
    :ivar efficiency: share of the bandwidth on the wire that carries
        memory: 1460 of the 1538 bytes of a full Ethernet frame
    :ivar setup: s that a migration takes beside its transfer, without
        load on the NIC: 1 to 5 s until a record exists and up to 2 s at
        the end, measured with Nova 34
    :ivar post_copy_outage: s during which a VM hardly serves after the
        switch to post-copy, measured 2.4 to 3.8 s for a busy sender;
        QEMU's own downtime is 3 to 39 ms
    """

    downtime_limit: float = 0.5
    max_rounds: int = 64
    efficiency: float = 1460 / 1538
    setup: float = 3.0
    post_copy_outage: float = 3.0

    def __post_init__(self) -> None:
        checks = (
            ('downtime_limit', self.downtime_limit > 0, 'is not above 0'),
            ('max_rounds', self.max_rounds >= 1, 'is below 1'),
            ('efficiency', 0 < self.efficiency <= 1, 'is not in (0, 1]'),
            ('setup', self.setup >= 0, 'is negative'),
            ('post_copy_outage', self.post_copy_outage >= 0, 'is negative'),
        )
        for field, good, message in checks:
            if not good:
                raise errors.InputError(message, field)
