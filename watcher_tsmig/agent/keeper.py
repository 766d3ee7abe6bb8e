"""Caps set, kept in force, and taken back whatever happens.

The rules about caps live here, and each is looked at again every second:
what was set is written down first; what differs is set again, because
libvirt forgets a cap when it restarts and Nova's own bandwidth overrides
it; what nobody renews ends. Facts: nova-libvirt-telemetry.md, section 2.1.
"""

import collections
import dataclasses
import logging
import math
import pathlib
from collections.abc import Callable
from typing import Any

from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.journal import Journal
from watcher_tsmig.agent.ledger import FORM
from watcher_tsmig.agent.ledger import Entry
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.units import MIB

LOG = logging.getLogger(__name__)


class Keeper:
    """The caps of one host's domains.

    :param path: of the journal
    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        path: pathlib.Path,
        clock: Callable[[], float],
    ) -> None:
        self._hypervisor = hypervisor
        self._journal = Journal(path, FORM, clock)
        self._clock = clock
        # how often somebody else had changed a cap of ours
        self._corrected: collections.Counter[str] = collections.Counter()
        self._last: dict[str, Speeds] = {}
        self._copied: dict[str, tuple[float, float]] = {}

    def entries(self) -> dict[str, Entry]:
        """What is ours now, by domain."""
        return self._journal.open()

    def set(
        self, vm: str, wanted: Speeds, *, parts: int, ttl: float, issued: float
    ) -> dict[str, Any]:
        """Set caps, or change or renew them; what is in force then.

        :param ttl: s until they end by themselves
        :raises Refusal: the domain cannot be capped, or a later request
            about it was obeyed already
        """
        with self._journal.alone(vm):
            known = self._journal.known(vm, issued)
            job = self._hypervisor.job(vm)
            self._fits(vm, job)
            entry = Entry(
                wanted=wanted,
                before=known.before if known else self._hypervisor.speeds(vm),
                in_job=known.in_job if known else _runs(job),
                until=self._clock() + ttl,
                parts=parts,
                issued=issued,
            )
            self._journal.write(vm, entry)
            if known is None or known.wanted != wanted:
                self._last.pop(vm, None)
            self._enforce(vm, entry, job)
            return self._told(vm, entry, job)

    def clear(self, vm: str, *, issued: float) -> dict[str, Any]:
        """Take our caps back; nothing where there are none."""
        with self._journal.alone(vm):
            known = self._journal.known(vm, issued)
            if known is None:
                return {'ours': False}
            entry = dataclasses.replace(known, issued=issued, restoring=True)
            self._journal.note(vm, entry)
            self._restored(vm, entry)
            return {'ours': vm in self.entries()}

    def look(self, vm: str) -> dict[str, Any]:
        """The job, and the caps in force during it."""
        job = self._hypervisor.job(vm)
        return self._told(vm, self._journal.of(vm), job)

    def tick(self) -> None:
        """Let each cap be what it should be now."""
        for vm in self.entries():
            try:
                with self._journal.alone(vm):
                    self._tend(vm)
            except Refusal as refusal:
                LOG.warning('%s: %s', vm, refusal.reason)
        self._journal.prune()

    def restore(self) -> int:
        """Take all caps back; how many are left to the next start."""
        for vm in self.entries():
            try:
                with self._journal.alone(vm):
                    entry = self._journal.of(vm)
                    if entry is not None:
                        entry = dataclasses.replace(entry, restoring=True)
                        self._journal.note(vm, entry)
                        self._restored(vm, entry)
            except Refusal as refusal:
                LOG.error('%s keeps its caps: %s', vm, refusal.reason)
        return len(self.entries())

    def _tend(self, vm: str) -> None:
        entry = self._journal.of(vm)
        if entry is None:
            return
        try:
            if not entry.restoring and self._clock() > entry.until:
                LOG.warning('%s: nobody renewed its caps, they end', vm)
                entry = dataclasses.replace(entry, restoring=True)
                self._journal.note(vm, entry)
            if entry.restoring:
                self._restored(vm, entry)
            else:
                self._enforce(vm, entry, self._hypervisor.job(vm))
        except Refusal as refusal:
            if refusal.code is not Code.UNKNOWN_VM:
                raise
            # it has moved, or is gone, and its caps with it
            self._settle(vm, entry)

    def _restored(self, vm: str, entry: Entry) -> None:
        """Go back to what was, and forget it once it stays."""
        try:
            job = self._hypervisor.job(vm)
            active = self._hypervisor.runs(vm)
        except Refusal as refusal:
            if refusal.code is not Code.UNKNOWN_VM:
                raise
            self._settle(vm, entry)
            return
        before = entry.before
        if entry.in_job and not _runs(job):
            # libvirt has gone back by itself, to what we never saw; only
            # the cap of a post-copy it leaves as it is
            before = dataclasses.replace(
                before, pre=self._hypervisor.speeds(vm).pre
            )
        if active and self._hypervisor.speeds(vm) != before:
            self._hypervisor.set_speeds(vm, before)
        # A job ends with what it began with, which may have been ours: so
        # as long as one runs it is looked at again
        if not _runs(job):
            self._settle(vm, entry)

    def _fits(self, vm: str, job: Job) -> None:
        if job.direction is Direction.INCOMING:
            raise Refusal(Code.UNFIT, f'{vm} is arriving on this host')
        if not self._hypervisor.runs(vm):
            raise Refusal(Code.UNFIT, f'{vm} does not run')

    def _told(self, vm: str, entry: Entry | None, job: Job) -> dict[str, Any]:
        speeds = self._hypervisor.speeds(vm)
        wanted = entry.wanted.told(entry.parts) if entry else None
        holds = entry is not None and speeds == self._last.get(vm)
        return {
            'caps': wanted if holds else speeds.told(),
            'wanted': wanted,
            'corrected': self._corrected[vm],
            'job': job.told(),
        }

    def _enforce(self, vm: str, entry: Entry, job: Job) -> None:
        """Let the hypervisor have what is due now."""
        due = self._due(vm, entry, job)
        found, last = self._hypervisor.speeds(vm), self._last.get(vm)
        if last is not None and found != last:
            self._corrected[vm] += 1
        if found != due:
            self._hypervisor.set_speeds(vm, due)
        self._last[vm] = due

    def _due(self, vm: str, entry: Entry, job: Job) -> Speeds:
        """What the caps should be now.

        Disks keep what they began with, and once they are copied only what
        the guest writes to them goes on. So memory, which goes after them,
        gets what they leave: a change in flight is of memory alone.
        """
        if entry.parts == 1 or not _runs(job) or not job.iteration:
            self._copied.pop(vm, None)
            return entry.wanted
        now, copied = self._clock(), job.disk_processed or 0.0
        then, before = self._copied.get(vm, (now, copied))
        self._copied[vm] = (now, copied)
        rate = (copied - before) / (now - then) if now > then else 0.0
        whole = entry.wanted.pre * entry.parts - math.ceil(rate / MIB)
        return dataclasses.replace(
            entry.wanted, pre=max(whole, entry.wanted.pre)
        )

    def _settle(self, vm: str, entry: Entry) -> None:
        """It is taken back; only the last request's instant is kept."""
        self._journal.note(vm, dataclasses.replace(entry, done=True))
        for state in (self._corrected, self._last, self._copied):
            state.pop(vm, None)


def _runs(job: Job) -> bool:
    return job.direction is Direction.OUTGOING
