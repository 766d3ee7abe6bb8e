"""What an agent needs of a hypervisor; who implements it brings one class.

The real one is `virt.Libvirt`. A refusal leaves as `values.Refusal` with a
code; nothing else may leave.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from watcher_tsmig.agent.values import GuestMemory
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.agent.values import Writing


class Hypervisor(Protocol):
    """Domains by their uuid; all of it may be called by several threads.

    Raises `Refusal`: UNKNOWN_VM where there is no such domain, UNFIT where
    the domain is in a state in which it cannot be done, HYPERVISOR where
    libvirt does not answer or refuses for another reason.
    """

    def domains(self) -> Sequence[str]:
        """Those whose guests run, paused ones left out."""

    def speeds(self, vm: str) -> Speeds:
        """The caps in force now."""

    def set_speeds(self, vm: str, speeds: Speeds) -> None:
        """Set both caps, in flight too."""

    def runs(self, vm: str) -> bool:
        """Whether the guest runs or is paused, so that it can migrate."""

    def disks(self, vm: str) -> int:
        """How many disks would be copied, if any are."""

    def job(self, vm: str) -> Job:
        """The job under way."""

    def measure(self, vm: str, seconds: int, method: Method) -> None:
        """Begin to measure what the guest writes."""

    def writing(self, vm: str) -> Writing:
        """The last measurement, or the one under way."""

    def memory(self, vm: str) -> float:
        """Bytes of RAM that the guest has at most."""

    def guest_memory(self, vm: str) -> GuestMemory:
        """What the guest's balloon device tells of its memory."""

    def set_period(self, vm: str, period: int) -> None:
        """Let the guest tell it every so many seconds; 0: never."""

    def set_memory(self, vm: str, size: float) -> None:
        """Set the balloon's target, in bytes that the guest then has.

        The guest gets there by itself and in its own time.
        """

    def read(self, vm: str, addresses: Sequence[int], size: int) -> bytes:
        """Guest memory at these physical addresses, `size` bytes each."""

    def versions(self) -> Mapping[str, Any]:
        """Of libvirt and QEMU, as texts."""
