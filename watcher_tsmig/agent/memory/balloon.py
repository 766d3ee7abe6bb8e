"""Memory that only caches files, given back before a pre-copy and restored.

Who calls what, in this order (`execute.balloon` does): `give_back` on the
source, which only writes down and tells what the domain has; `take_again`
with that size and a ttl on the destination, which then awaits the domain;
`give_back` again and again until it says that it is done; the migration;
`take_again` on either side. A guest arrives as small as it left, so its size
is restored where it is: by the destination's agent, which needs nothing of
the source's.

As with caps (`keeper`): what a domain had is written down before anything
is changed, and ends by itself. Nothing is set while a migration runs, for
libvirt would wait for its end; such a loan lasts as long as the migration.
"""

import dataclasses
import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.journal import Journal
from watcher_tsmig.agent.measure.writing import at_rest
from watcher_tsmig.agent.memory.loans import FORM
from watcher_tsmig.agent.memory.loans import Loan
from watcher_tsmig.agent.memory.shrinking import Shrinking
from watcher_tsmig.agent.memory.shrinking import look
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Refusal

LOG = logging.getLogger(__name__)

# s between two statistics while a guest gives back: it must be seen to swap
PERIOD = 1


class Lender:
    """The memory that one host's domains have given back.

    :param path: of the journal
    :param clock: seconds since the epoch
    :param now: seconds that never run backwards
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        path: pathlib.Path,
        clock: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hypervisor = hypervisor
        self._journal = Journal(path, FORM, clock)
        self._clock = clock
        self._now = now
        self._work: dict[str, Shrinking] = {}

    def loans(self) -> dict[str, Loan]:
        """What is not as it was, by domain."""
        return self._journal.open()

    # -- requests

    def give_back(
        self, vm: str, *, keep: float, ttl: float, issued: float
    ) -> dict[str, Any]:
        """Give caches back; how far that is. Asked again, it renews.

        Nothing is taken before it is asked for the second time: who did not
        hear the first answer does not know what to restore.

        :param keep: bytes that stay available to the guest
        :param ttl: s after which all is restored if nobody renews it
        :raises Refusal: the domain does not run, migrates, has no balloon,
            or tells no statistics
        """
        with self._journal.alone(vm):
            known = self._journal.known(vm, issued)
            if known is not None and vm in self._work and not known.restoring:
                self._journal.write(
                    vm,
                    dataclasses.replace(
                        known, issued=issued, until=self._clock() + ttl
                    ),
                )
                self._confirm(vm)
                return self._told(vm)
            at_rest(self._hypervisor, vm)
            memory = self._hypervisor.guest_memory(vm)
            if not memory.balloon:
                raise Refusal(Code.UNFIT, f'{vm} has no balloon device')
            if memory.period and not memory.tells:
                raise Refusal(Code.UNFIT, f'{vm} tells nothing of its memory')
            period = memory.period
            if known is not None and known.period is not None:
                period = known.period
            self._journal.write(
                vm,
                Loan(
                    before=known.before if known else memory.size,
                    period=period,
                    until=self._clock() + ttl,
                    issued=issued,
                ),
            )
            self._work[vm] = Shrinking(
                keep=keep, since=self._now(), told_at=memory.told_at
            )
            self._hypervisor.set_period(vm, PERIOD)
            return self._told(vm)

    def take_again(
        self,
        vm: str,
        *,
        issued: float,
        size: float | None = None,
        ttl: float | None = None,
    ) -> dict[str, Any]:
        """Restore a domain's size, here and now or once it can be.

        :param size: bytes that it has to have; None: what is written down
        :param ttl: s for which a domain that is not here is awaited; None:
            it is not, and who was awaited is no more
        :returns: `restored`: it is here at rest, and nothing of it is lent;
            `ours`: that is still to be done
        """
        with self._journal.alone(vm):
            known = self._journal.known(vm, issued)
            if size is None and known is None:
                return {'restored': bool(self._rests(vm)), 'ours': False}
            loan = Loan(
                before=known.before if size is None and known else size or 0.0,
                period=known.period if known else None,
                until=self._clock() + (ttl or 0.0),
                issued=issued,
                restoring=True,
                awaited=ttl is not None,
            )
            self._journal.note(vm, loan)
            restored = self._restored(vm, loan)
            return {'restored': restored, 'ours': vm in self.loans()}

    # -- by itself

    def tick(self) -> None:
        """Go on with each loan; one that is asked about now is left out."""
        for vm in self.loans():
            with self._journal.alone(vm, wait=False) as held:
                if not held:
                    continue
                try:
                    self._tend(vm)
                except Refusal as refusal:
                    LOG.warning('%s: %s', vm, refusal.reason)
        self._journal.prune()

    def restore(self) -> int:
        """Restore all sizes; how many are left to the next start."""
        for vm in self.loans():
            try:
                with self._journal.alone(vm):
                    loan = self._journal.of(vm)
                    if loan is not None:
                        loan = dataclasses.replace(loan, restoring=True)
                        self._journal.note(vm, loan)
                        self._restored(vm, loan)
            except Refusal as refusal:
                LOG.error('%s stays small: %s', vm, refusal.reason)
        return len(self.loans())

    def _tend(self, vm: str) -> None:
        loan = self._journal.of(vm)
        if loan is None:
            return
        if loan.restoring:
            self._restored(vm, loan)
            return
        resting = self._rests(vm)
        if resting is None:
            # it has moved, and is restored where it is; or was shut off
            self._settle(vm, loan)
        elif resting and self._clock() > loan.until:
            LOG.warning('%s: nobody renewed its loan, it ends', vm)
            loan = dataclasses.replace(loan, restoring=True)
            self._journal.note(vm, loan)
            self._restored(vm, loan)
        elif resting:
            self._shrink(vm, loan)
        elif vm in self._work and not self._work[vm].done:
            # a job that began meanwhile would be held up
            self._work[vm] = dataclasses.replace(
                self._work[vm], done=True, why='a migration has begun'
            )

    def _rests(self, vm: str) -> bool | None:
        """Whether the domain has no job; None: it does not run here."""
        try:
            if not self._hypervisor.runs(vm):
                return None
            return self._hypervisor.job(vm).direction is Direction.NONE
        except Refusal as refusal:
            if refusal.code is not Code.UNKNOWN_VM:
                raise
            return None

    def _shrink(self, vm: str, loan: Loan) -> None:
        """Go on with giving back, if there is more to do."""
        work = self._work.get(vm)
        if work is None or work.done or not work.asked:
            return
        found = look(work, self._hypervisor.guest_memory(vm), self._now())
        if found.target is not None and found.target != work.target:
            # a bound of its own, whatever was reckoned
            target = min(found.target, loan.before)
            self._hypervisor.set_memory(vm, target)
        if found.done:
            self._rest(vm, loan)
        self._work[vm] = found

    def _restored(self, vm: str, loan: Loan) -> bool:
        """Restore the size if that can be done now; whether it was.

        What is set is the balloon's target: a guest that is paused gets
        there when it goes on.
        """
        resting = self._rests(vm)
        if resting is None:
            # it has moved; or it was shut off, and starts with all it has
            if not (loan.awaited and self._clock() < loan.until):
                self._settle(vm, loan)
            return False
        if not resting:
            return False
        memory = self._hypervisor.guest_memory(vm)
        # who has made it larger meanwhile knows why
        size = max(min(loan.before, memory.most), memory.size)
        self._hypervisor.set_memory(vm, size)
        self._rest(vm, loan)
        self._settle(vm, loan)
        return True

    def _rest(self, vm: str, loan: Loan) -> None:
        """Let the guest tell its memory as often as before."""
        if loan.period is not None:
            self._hypervisor.set_period(vm, loan.period)
            self._journal.note(vm, dataclasses.replace(loan, period=None))

    def _confirm(self, vm: str) -> None:
        work = self._work[vm]
        if not work.asked:
            self._work[vm] = dataclasses.replace(
                work, asked=True, since=self._now()
            )

    def _told(self, vm: str) -> dict[str, Any]:
        work, loan = self._work[vm], self._journal.of(vm)
        before = loan.before if loan else 0.0
        size = self._hypervisor.guest_memory(vm).size
        return {
            'before': before,
            'size': size,
            'given': max(before - size, 0.0),
            'done': work.done,
            'why': work.why,
        }

    def _settle(self, vm: str, loan: Loan) -> None:
        """It is as it was; only the last request's instant is kept."""
        self._work.pop(vm, None)
        self._journal.note(vm, dataclasses.replace(loan, done=True))
