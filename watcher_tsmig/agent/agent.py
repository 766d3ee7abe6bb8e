"""An agent: a request goes in, an answer comes out, whatever it was.

The way of a request lives here: its form, its age, the audit log, what the
verb does, and the form of the answer. Transports only carry both.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.agent import verbs
from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.measure.contents import sample
from watcher_tsmig.agent.measure.writing import AT_ONCE
from watcher_tsmig.agent.measure.writing import Measurements
from watcher_tsmig.agent.measure.writing import at_rest
from watcher_tsmig.agent.memory.balloon import Lender
from watcher_tsmig.agent.values import VALID
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.agent.verbs import VERBS
from watcher_tsmig.agent.verbs import Request
from watcher_tsmig.errors import TsmigError

LOG = logging.getLogger(__name__)
# One line for each change that was asked for, done or not.
AUDIT = logging.getLogger('watcher_tsmig.agent.audit')

Answer = dict[str, Any]


class Agent:
    """What one compute host does for those who may ask it.

    :param facts: tells the host's capabilities
    :param traffic: tells what its NIC has carried
    :param clock: seconds since the epoch
    :param lender: gives memory back; None: that is refused
    :ivar measurements: of writing
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        keeper: Keeper,
        facts: Callable[[], Mapping[str, Any]],
        traffic: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float] = time.time,
        lender: Lender | None = None,
    ) -> None:
        self._hypervisor = hypervisor
        self._keeper = keeper
        self._facts = facts
        self._traffic = traffic
        self._lender = lender
        self._clock = clock
        self.measurements = Measurements(hypervisor, clock)
        self._looking = threading.BoundedSemaphore(AT_ONCE)
        self._verbs: dict[str, Callable[[Request], Mapping[str, Any]]] = {
            'capabilities': lambda _: self._facts(),
            'traffic': lambda _: self._traffic(),
            'caps': self._caps,
            'job': lambda request: self._keeper.look(request.arguments['vm']),
            'set_caps': self._set_caps,
            'clear_caps': lambda request: self._keeper.clear(
                request.arguments['vm'], issued=request.issued
            ),
            'measure_writing': self._measure,
            'writing': lambda request: self.measurements.of(
                request.arguments['vm']
            ),
            'sample_contents': self._contents,
            'give_back': self._give_back,
            'take_again': self._take_again,
        }
        assert set(self._verbs) == set(VERBS)

    def answer(self, request: object) -> Answer:
        """Do what is asked, if it may be; never raises.

        :returns: `ok` and `result`, or `code` and `reason`
        """
        read = None
        try:
            read = verbs.read(request)
            self._fresh(read)
            answer = {'ok': True, 'result': dict(self._verbs[read.verb](read))}
        except Refusal as refusal:
            answer = {
                'ok': False,
                'code': refusal.code.value,
                'reason': refusal.reason[:500],
            }
        except TsmigError as error:
            LOG.error('%s', error)
            answer = {
                'ok': False,
                'code': Code.INTERNAL.value,
                'reason': str(error)[:500],
            }
        except Exception as error:
            LOG.exception('A request could not be answered')
            answer = {
                'ok': False,
                'code': Code.INTERNAL.value,
                'reason': f'{type(error).__name__}, see the log of the agent',
            }
        if read is None:
            AUDIT.warning('refused: %s', answer['reason'])
        elif VERBS[read.verb].changes:
            AUDIT.info(
                '%s %s asked by %r: %s',
                read.verb,
                dict(read.arguments),
                read.by,
                'done' if answer['ok'] else answer['reason'],
            )
        return answer

    def _fresh(self, request: Request) -> None:
        if not VERBS[request.verb].changes:
            return
        age = self._clock() - request.issued
        if not -VALID / 2 <= age <= VALID:
            raise Refusal(
                Code.LATE,
                f"was made {age:.0f} s ago by this host's clock; more than "
                f'{VALID:.0f} s, or in the future: do the clocks agree?',
            )

    # -- verbs

    def _caps(self, _: Request) -> Mapping[str, Any]:
        return {
            'vms': {
                vm: {
                    'wanted': entry.wanted.told(entry.parts),
                    'before': entry.before.told(),
                    'until': entry.until,
                    'restoring': entry.restoring,
                }
                for vm, entry in self._keeper.entries().items()
            }
        }

    def _set_caps(self, request: Request) -> Mapping[str, Any]:
        given = request.arguments
        vm = given['vm']
        # the cap goes to memory and to every disk (2.5)
        parts = 1
        if given.get('disks', False):
            parts += self._hypervisor.disks(vm)
        return self._keeper.set(
            vm,
            Speeds.of(given['pre'], given['post'], parts, given.get('least')),
            parts=parts,
            ttl=float(given['ttl']),
            issued=request.issued,
        )

    def _measure(self, request: Request) -> Mapping[str, Any]:
        given = request.arguments
        return self.measurements.begin(
            given['vm'],
            given['seconds'],
            given.get('times', 1),
            Method(given.get('method', Method.SAMPLING)),
        ).told()

    def _give_back(self, request: Request) -> Mapping[str, Any]:
        given = request.arguments
        return self._lending().give_back(
            given['vm'],
            keep=float(given['keep']),
            ttl=float(given['ttl']),
            issued=request.issued,
        )

    def _take_again(self, request: Request) -> Mapping[str, Any]:
        given = request.arguments
        return self._lending().take_again(
            given['vm'],
            size=given.get('size'),
            ttl=given.get('ttl'),
            issued=request.issued,
        )

    def _lending(self) -> Lender:
        if self._lender is None:
            raise Refusal(Code.UNFIT, 'this agent gives no memory back')
        return self._lender

    def _contents(self, request: Request) -> Mapping[str, Any]:
        given = request.arguments
        if not self._looking.acquire(blocking=False):
            raise Refusal(Code.BUSY, f'{AT_ONCE} VMs are being sampled')
        try:
            at_rest(self._hypervisor, given['vm'])
            return sample(
                self._hypervisor,
                given['vm'],
                given['pages'],
                float(given.get('apart', 0.0)),
                random.SystemRandom(),
            )
        finally:
            self._looking.release()
