"""Traits that Nova's scheduler asks of a host for what a VM has.

Besides those that its flavor names (destinations.py): what the scheduler
adds by itself, whichever filters are switched on, so that Placement offers
no other host. Source: nova/scheduler/utils.py, ResourceRequest, and
nova/scheduler/request_filter.py, of Nova 25 to 34.
"""

import dataclasses
from collections.abc import Mapping

from watcher_tsmig.telemetry.inventory.servers import Version
from watcher_tsmig.telemetry.needs.devices import GAZPACHO
from watcher_tsmig.telemetry.needs.devices import YOGA
from watcher_tsmig.telemetry.needs.devices import Had
from watcher_tsmig.telemetry.needs.devices import Test


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One trait, whom it is asked for, and from which Nova on."""

    trait: str
    test: Test
    since: Version


def _wish(name: str, value: str, default: str = '') -> Test:
    """Of the flavor, or of the image."""

    def test(had: Had) -> bool:
        flavor = had.asked.get(f'hw:{name}')
        return (flavor or had.asked.get(f'hw_{name}') or default) == value

    return test


def _with_tpm(test: Test) -> Test:
    versions = _wish('tpm_version', '1.2'), _wish('tpm_version', '2.0')
    return lambda had: any(is_one(had) for is_one in versions) and test(had)


# Before Nova 33 no vTPM moves, and nobody needs to know where to.
ASKS = (
    # _translate_vtpm_request
    Ask(
        trait='COMPUTE_SECURITY_TPM_1_2',
        test=_wish('tpm_version', '1.2'),
        since=GAZPACHO,
    ),
    Ask(
        trait='COMPUTE_SECURITY_TPM_2_0',
        test=_wish('tpm_version', '2.0'),
        since=GAZPACHO,
    ),
    Ask(
        trait='COMPUTE_SECURITY_TPM_TIS',
        test=_with_tpm(_wish('tpm_model', 'tpm-tis', 'tpm-tis')),
        since=GAZPACHO,
    ),
    Ask(
        trait='COMPUTE_SECURITY_TPM_CRB',
        test=_with_tpm(_wish('tpm_model', 'tpm-crb')),
        since=GAZPACHO,
    ),
    # tpm_secret_security_filter
    Ask(
        trait='COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST',
        test=_with_tpm(
            lambda had: had.asked.get('hw:tpm_secret_security') == 'host'
        ),
        since=GAZPACHO,
    ),
    # _translate_pci_numa_affinity_policy
    Ask(
        trait='COMPUTE_SOCKET_PCI_NUMA_AFFINITY',
        test=_wish('pci_numa_affinity_policy', 'socket'),
        since=YOGA,
    ),
)


def wanted(had: Had, newest: Version | None) -> Mapping[str, str]:
    """Traits that are asked for, as a flavor would write it.

    :param newest: microversion that Nova has; nothing where nobody knows
    """
    if newest is None:
        return {}
    return {
        f'trait:{ask.trait}': 'required'
        for ask in ASKS
        if newest >= ask.since and ask.test(had)
    }
