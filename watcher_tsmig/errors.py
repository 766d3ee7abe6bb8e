"""Whose fault an error is.

Four kinds, and no others: the input's (`InputError` and below), the cloud's
(`CloudError`: something is missing, stale or unreachable), ours
(`InternalError`: a bug, say how to report it). Infeasibility is nobody's
fault: it is a result with a reason (see reasons.py), never an exception.
"""


class TsmigError(Exception):
    """Base of every error that this project raises on purpose."""


class InputError(TsmigError, ValueError):
    """The caller's input is wrong; `place` says where, the text what next.

    :param place: dotted path in the input, for example
        ``vms[17].working_set.samples[2]``; may be empty
    """

    def __init__(self, message: str, place: str = '') -> None:
        self.place = place
        self.message = message
        super().__init__(f'{place}: {message}' if place else message)

    def under(self, parent: str) -> 'InputError':
        """The same error, seen from the enclosing value."""
        if not self.place:
            place = parent
        elif self.place.startswith('['):
            place = parent + self.place
        else:
            place = f'{parent}.{self.place}'
        return type(self)(self.message, place)


class SnapshotError(InputError):
    """A snapshot file cannot be used."""


class CloudError(TsmigError):
    """The cloud did not give what is needed: absent, stale, unreachable."""


class MigrationError(CloudError):
    """A migration did not reach its true end; the text is <= 200 characters.

    Watcher stores the text of a failure in a column of 255 characters and
    loses the whole action where it does not fit, so the limit is kept here.
    """

    LIMIT = 200

    def __init__(self, message: str) -> None:
        if len(message) > self.LIMIT:
            message = message[: self.LIMIT - 1] + '…'
        super().__init__(message)


class DestinationError(MigrationError):
    """A destination cannot take a VM, which is at rest where it was.

    Another one may be able to.

    :ivar why: the reason alone, for whoever tries another one
    """

    def __init__(self, message: str, why: str) -> None:
        self.why = why
        super().__init__(message)


class InternalError(TsmigError):
    """A bug of ours; the text asks for a report with the snapshot.

    :ivar message: what is wrong, alone
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(
            f'{message}. This is a bug in watcher-tsmig: please report it '
            'with the snapshot or audit parameters that led to it.'
        )
