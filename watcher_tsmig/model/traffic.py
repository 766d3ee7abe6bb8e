"""A VM's application traffic: what it will send, and how it varies.

Only values live here. How a source's points become them is telemetry's.
"""

import dataclasses

from watcher_tsmig import errors
from watcher_tsmig.model import fields


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How one direction of a VM's traffic varied, bytes/s.

    :ivar p50: what it was below half of the time
    :ivar p95: what it was below 19 times of 20
    :ivar bursts: share of the next hour in which far more than foretold is
        to be expected (telemetry/metrics/bursts.py)
    :ivar watched: s that were looked at
    """

    p50: float
    p95: float
    bursts: float
    watched: float

    def __post_init__(self) -> None:
        fields.number('p50', self.p50, low=0)
        fields.number('p95', self.p95, low=0)
        if self.p95 < self.p50:
            raise errors.InputError(
                f'{self.p95:g} is below p50 ({self.p50:g})', 'p95'
            )
        fields.number('bursts', self.bursts, low=0)
        if self.bursts > 1:
            raise errors.InputError('is a share above 1', 'bursts')
        fields.number('watched', self.watched, low=0, above=True)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A VM's application traffic over all its interfaces, bytes/s.

    :ivar measured_at: when, seconds since the epoch; None where unknown
    :ivar source: who measured, for people (``gnocchi``)
    :ivar tx_spread: how what it sent varied; None where that was watched too
        briefly
    :ivar rx_spread: likewise of what it received
    """

    tx: float
    rx: float
    measured_at: float | None = None
    source: str = 'unknown'
    tx_spread: Spread | None = None
    rx_spread: Spread | None = None

    def __post_init__(self) -> None:
        fields.number('tx', self.tx, low=0)
        fields.number('rx', self.rx, low=0)
        if self.measured_at is not None:
            fields.number('measured_at', self.measured_at, low=0)
        fields.text('source', self.source)
        fields.kind('tx_spread', self.tx_spread, Spread)
        fields.kind('rx_spread', self.rx_spread, Spread)

    @property
    def bursts(self) -> float | None:
        """Share of the next hour in which it is to burst, either way.

        That of the worse direction: how far they burst together is unknown.
        """
        known = [s.bursts for s in (self.tx_spread, self.rx_spread) if s]
        return max(known, default=None)
