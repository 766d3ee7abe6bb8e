"""Small parts of a cloud for tests of an execution: time, and answers."""

import types

from keystoneauth1 import exceptions as ksa_errors


def statistics(total, processed, remaining, took=7.5):
    """A migration in progress, as openstacksdk has it."""
    return types.SimpleNamespace(
        memory_total_bytes=total,
        memory_processed_bytes=processed,
        memory_remaining_bytes=remaining,
        disk_remaining_bytes=None,
        status='running',
        created_at='2026-01-01T00:00:00.000000',
        updated_at=f'2026-01-01T00:00:{took:09.6f}',
    )


class NoCatalogue:
    """A session of a cloud that has no other service."""

    def get(self, path, **_):
        raise ksa_errors.EndpointNotFound(path)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
