"""A stand-in for libvirt's Python bindings: one host with one domain.

The bindings are compiled against a host's libvirt and no requirement of the
tests. Numbers are libvirt's own; the real one judges in tests/agent.
"""

import sys
import threading

VM = '5f1c7c7e-0000-4000-8000-000000000001'

# libvirt-domain.h and virterror.h
CONSTANTS = {
    'VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY': 1,
    'VIR_DOMAIN_JOB_BOUNDED': 1,
    'VIR_DOMAIN_JOB_UNBOUNDED': 2,
    'VIR_DOMAIN_PAUSED': 3,
    'VIR_DOMAIN_PAUSED_POSTCOPY': 12,
    'VIR_DOMAIN_PAUSED_POSTCOPY_FAILED': 13,
    'VIR_DOMAIN_STATS_DIRTYRATE': 512,
    'VIR_CONNECT_LIST_DOMAINS_RUNNING': 16,
    'VIR_DOMAIN_AFFECT_LIVE': 1,
    'VIR_MEMORY_PHYSICAL': 2,
    'VIR_ERR_NO_DOMAIN': 42,
    'VIR_ERR_OPERATION_INVALID': 55,
    'VIR_ERR_OPERATION_UNSUPPORTED': 84,
    'VIR_ERR_ARGUMENT_UNSUPPORTED': 74,
}
SYSTEM_ERROR = 38
RUNNING = 1, 1
XML = '<domain><devices>{}</devices></domain>'


class Error(Exception):
    """What every call of the bindings raises."""

    def __init__(self, code=SYSTEM_ERROR, text='it\n  failed'):
        super().__init__(text)
        self.code = code

    def get_error_code(self):
        return self.code


class Domain:
    """A guest; `calls` are what changed it, in their order."""

    def __init__(self, connection):
        self._connection = connection
        self.speeds = {0: 100, 1: 0}
        self.active = 1
        self.devices = ''
        self.stats = {}
        self.where = RUNNING
        self.dirty = {}
        self.balloon = {}
        self.kib = 1 << 20
        self.bytes = bytes(range(256)) * 64
        self.calls = []
        self.fails = []

    def UUIDString(self):
        return VM

    def connect(self):
        return self._connection

    def _asked(self, *call):
        self.calls.append(call)
        if self.fails:
            raise self.fails.pop(0)

    def migrateGetMaxSpeed(self, flags):
        return self.speeds[flags]

    def migrateSetMaxSpeed(self, speed, flags):
        self._asked('speed', speed, flags)
        self.speeds[flags] = speed

    def isActive(self):
        return self.active

    def XMLDesc(self, flags):
        # any of them shows secrets, or what is not in force
        assert not flags, flags
        return XML.format(self.devices)

    def jobStats(self):
        return self.stats

    def state(self):
        return list(self.where)

    def startDirtyRateCalc(self, seconds, flags):
        self._asked('measure', seconds, flags)

    def maxMemory(self):
        return self.kib

    def memoryStats(self):
        return self.balloon

    def setMemoryStatsPeriod(self, period, flags):
        self._asked('period', period, flags)

    def setMemoryFlags(self, kib, flags):
        self._asked('memory', kib, flags)

    def memoryPeek(self, start, size, flags):
        self._asked('peek', start, size, flags)
        return self.bytes[start : start + size]


class Connection:
    """To the daemon; `lost` makes it what a restart leaves."""

    def __init__(self, module):
        self._module = module
        self.kept = None
        self.lost = False
        # whether it can tell so: a call over it may fail, too
        self.mute = False

    def setKeepAlive(self, interval, count):
        self.kept = interval, count

    def isAlive(self):
        if self.lost and self.mute:
            raise Error
        return not self.lost

    def _there(self):
        if self.lost:
            raise Error(text='Cannot write data: Broken pipe')

    def lookupByUUIDString(self, vm):
        self._there()
        if vm != VM:
            raise Error(CONSTANTS['VIR_ERR_NO_DOMAIN'], 'Domain not found')
        return self._module.domain

    def listAllDomains(self, flags):
        self._there()
        assert flags == CONSTANTS['VIR_CONNECT_LIST_DOMAINS_RUNNING'], flags
        return [self._module.domain]

    def getLibVersion(self):
        self._there()
        return self._module.versions[0]

    def getVersion(self):
        self._there()
        return self._module.versions[1]

    def domainListGetStats(self, domains, kind):
        self._module.kinds.append(kind)
        return [(domain, domain.dirty) for domain in domains]


class Bindings:
    """The module `libvirt`."""

    libvirtError = Error

    def __init__(self):
        vars(self).update(CONSTANTS)
        self.connections = []
        self.opened = []
        self.versions = 10_002_003, 8_001_045
        self.refuses = 0
        self.kinds = []
        self.events = []
        self.ran = threading.Event()
        self.over = threading.Event()
        self.domain = Domain(None)

    def open(self, uri):
        if self.refuses:
            self.refuses -= 1
            raise Error(text='Failed to connect socket')
        self.opened.append(uri)
        self.connections.append(Connection(self))
        self.domain._connection = self.connections[-1]
        return self.connections[-1]

    def virEventRegisterDefaultImpl(self):
        self.events.append('registered')

    def registerErrorHandler(self, handler, context):
        # it prints to standard error where there is none
        self.events.append('quiet')
        handler(context, None)

    def virEventRunDefaultImpl(self):
        self.events.append('run')
        if len(self.events) >= 4:
            self.ran.set()
            self.over.wait()
            raise SystemExit


def installed(test):
    """The bindings as those that the agent imports, for one test."""
    bindings = Bindings()
    before = sys.modules.get('libvirt')
    sys.modules['libvirt'] = bindings

    def back():
        bindings.over.set()
        del sys.modules['libvirt']
        if before is not None:
            sys.modules['libvirt'] = before

    test.addCleanup(back)
    return bindings
