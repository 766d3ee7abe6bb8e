"""What is not as it was on this host, by domain, so that a death loses none.

Caps and lent memory alike: a file that is read whole, written whole and
checked against a schema. What is to be done is written down before it is
done, and forgotten after it was undone. To undo it must not depend on the
disk, so that there a file that cannot be written is an error in the log.
Instants are seconds since the epoch, for they outlive the machine's boot.
"""

import contextlib
import dataclasses
import json
import logging
import pathlib
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import Generic
from typing import Protocol
from typing import TypeVar

import jsonschema

from watcher_tsmig import errors
from watcher_tsmig import files
from watcher_tsmig.agent.values import VALID
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal

LOG = logging.getLogger(__name__)

FORMAT = '1'
# A host has some hundred domains; 10,000 entries take 3 MiB.
MAX_BYTES = 8 << 20
# Domains share so many locks, so that hostile names make no more of them.
LOCKS = 64


class Entry(Protocol):
    """A frozen dataclass; one domain's share of a journal.

    :ivar issued: when the last request about it was made
    :ivar done: it is undone; what is left is `issued`, so that an older
        request is not obeyed
    """

    @property
    def issued(self) -> float:
        """Seconds since the epoch."""

    @property
    def done(self) -> bool:
        """Whether it is undone."""


E = TypeVar('E', bound=Entry)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[E]):
    """How a journal looks on disk.

    :ivar name: of the member that holds the entries
    :ivar what: they are, for people
    :ivar entry: JSON schema of one
    :ivar read: one, from its JSON
    """

    name: str
    what: str
    entry: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], E]

    @property
    def schema(self) -> dict[str, Any]:
        """Of the file."""
        entries = {'type': 'object', 'additionalProperties': self.entry}
        return {
            'type': 'object',
            'properties': {'format': {'const': FORMAT}, self.name: entries},
            'required': ['format', self.name],
            'additionalProperties': False,
        }


class Journal(Generic[E]):
    """The entries of one host; a domain's are changed by one at a time.

    :param clock: seconds since the epoch
    :raises errors.InputError: the file cannot be read
    """

    def __init__(
        self, path: pathlib.Path, form: Form[E], clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._form = form
        self._clock = clock
        self._entries = load(path, form)
        self._file = threading.Lock()
        self._locks = [threading.RLock() for _ in range(LOCKS)]

    def open(self) -> dict[str, E]:
        """What is not undone yet, by domain."""
        with self._file:
            known = self._entries
        return {vm: entry for vm, entry in known.items() if not entry.done}

    def of(self, vm: str) -> E | None:
        """A domain's entry that is not undone yet."""
        entry = self._entries.get(vm)
        return None if entry is None or entry.done else entry

    def known(self, vm: str, issued: float) -> E | None:
        """As `of`, for a request.

        :param issued: when it was made, s since the epoch
        :raises Refusal: a request that was made later was obeyed
        """
        last = self._entries.get(vm)
        if last is not None and issued <= last.issued:
            raise Refusal(
                Code.LATE, 'a request that was made later was obeyed'
            )
        return self.of(vm)

    @contextlib.contextmanager
    def alone(self, vm: str, *, wait: bool = True) -> Iterator[bool]:
        """Nobody else changes this domain meanwhile.

        :param wait: for who does; else false is yielded where one does
        """
        lock = self._locks[hash(vm) % LOCKS]
        held = lock.acquire(blocking=wait)
        try:
            yield held
        finally:
            if held:
                lock.release()

    def write(self, vm: str, entry: E) -> None:
        """Write down what is to be done; on disk when this returns.

        :raises errors.InputError: it cannot be written, so do not do it
        """
        with self._file:
            entries = {**self._entries, vm: entry}
            self._save(entries)
            self._entries = entries

    def note(self, vm: str, entry: E) -> None:
        """Write down what is being undone, which goes on in any case."""
        with self._file:
            self._entries = {**self._entries, vm: entry}
            self._try_to_save()

    def prune(self) -> None:
        """Forget what no request that is still valid can be older than."""
        least = self._clock() - 2 * VALID
        with self._file:
            entries = {
                vm: entry
                for vm, entry in self._entries.items()
                if not (entry.done and entry.issued < least)
            }
            if len(entries) < len(self._entries):
                self._entries = entries
                self._try_to_save()

    def _try_to_save(self) -> None:
        try:
            self._save(self._entries)
        except errors.InputError as error:
            LOG.error('%s; the next start may undo again what is', error)

    def _save(self, entries: Mapping[str, E]) -> None:
        told = {vm: dataclasses.asdict(e) for vm, e in entries.items()}  # type: ignore[call-overload]
        text = json.dumps({'format': FORMAT, self._form.name: told})
        files.replace(self._path, text, durable=True)


def load(path: pathlib.Path, form: Form[E]) -> dict[str, E]:
    """The entries of a file by domain; none where there is no file yet.

    A file of another form is put aside, so that the agent starts: what it
    held is then in force until its domain migrates or ends.

    :raises errors.InputError: it cannot be read
    """
    try:
        with path.open('rb') as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise errors.InputError(
            f'cannot be read: {error.strerror}', str(path)
        ) from error
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f'is larger than {MAX_BYTES >> 20} MiB')
        found = json.loads(data)
        jsonschema.validate(found, form.schema)
    except (ValueError, RecursionError, jsonschema.ValidationError) as error:
        aside = path.with_name(f'{path.name}.{time.time():.0f}.broken')
        path.rename(aside)
        LOG.error(
            '%s is no journal of %s (%s); it was put aside as %s. What it '
            'held stays in force until its VMs migrate or end',
            path,
            form.what,
            str(error)[:200],
            aside,
        )
        return {}
    return {vm: form.read(entry) for vm, entry in found[form.name].items()}
