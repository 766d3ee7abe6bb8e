"""Traits that the scheduler asks for by itself narrow where a VM may go."""

import unittest

from tests.unit.test_telemetry_destinations import SmallPlacement
from tests.unit.test_telemetry_devices import HOST_TPM
from tests.unit.test_telemetry_devices import NEWEST
from tests.unit.test_telemetry_devices import having
from tests.unit.test_telemetry_devices import server
from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import SmallModel
from tests.unit.test_telemetry_inventory import node
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig.telemetry.inventory import inventory
from watcher_tsmig.telemetry.needs import devices
from watcher_tsmig.telemetry.needs import scheduled

SECURITY = 'COMPUTE_SECURITY_TPM_'
TPM = {SECURITY + part for part in ('2_0', 'TIS', 'SECRET_SECURITY_HOST')}
ROWS = (
    ({}, set()),
    ({'hw:cpu_policy': 'dedicated'}, set()),
    (HOST_TPM, TPM),
    (
        {'hw:tpm_version': '1.2', 'hw:tpm_model': 'tpm-crb'},
        {SECURITY + '1_2', SECURITY + 'CRB'},
    ),
    ({'hw:tpm_model': 'tpm-crb'}, set()),
    (
        {'hw:pci_numa_affinity_policy': 'socket'},
        {'COMPUTE_SOCKET_PCI_NUMA_AFFINITY'},
    ),
    ({'hw:pci_numa_affinity_policy': 'required'}, set()),
)


class NewCompute(SmallCompute):
    """Of a Nova that tells how new it is."""

    def get_endpoint_data(self):
        return thing(max_microversion=NEWEST, min_microversion=(2, 1))


class TestScheduled(unittest.TestCase):
    def wanted(self, had, newest=NEWEST):
        found = scheduled.wanted(had, newest)
        self.assertLessEqual(set(found.values()), {'required'})
        return {key.removeprefix('trait:') for key in found}

    def test_what_a_vm_has_asks_for_traits(self):
        for specs, traits in ROWS:
            with self.subTest(specs):
                self.assertEqual(traits, self.wanted(having(specs)))

    def test_so_does_what_its_image_wants(self):
        image = {'hw_tpm_version': '2.0', 'hw_tpm_model': 'tpm-crb'}
        had = devices.had_of(server({}), image)
        self.assertEqual(
            {SECURITY + '2_0', SECURITY + 'CRB'}, self.wanted(had)
        )

    def test_a_flavors_word_counts_before_its_images(self):
        both = devices.had_of(
            server({'hw:tpm_version': '1.2'}),
            {'hw_tpm_version': '2.0', 'hw_tpm_model': 'tpm-crb'},
        )
        self.assertEqual(
            {SECURITY + '1_2', SECURITY + 'CRB'}, self.wanted(both)
        )

    def test_a_tpm_whose_model_nobody_names_is_tis(self):
        for version in ('1_2', '2_0'):
            had = having({'hw:tpm_version': version.replace('_', '.')})
            self.assertEqual(
                {SECURITY + version, SECURITY + 'TIS'}, self.wanted(had)
            )

    def test_each_is_asked_for_from_its_own_nova_on(self):
        socket = {'hw:pci_numa_affinity_policy': 'socket'}
        crb = {'hw:tpm_version': '1.2', 'hw:tpm_model': 'tpm-crb'}
        for specs, since in (
            (socket, devices.YOGA),
            (HOST_TPM, devices.GAZPACHO),
            (crb, devices.GAZPACHO),
        ):
            many = len(self.wanted(having(specs)))
            self.assertEqual(many, len(self.wanted(having(specs), since)))
            before = (since[0], since[1] - 1)
            self.assertEqual(set(), self.wanted(having(specs), before))

    def test_a_secret_is_the_hosts_only_where_there_is_a_tpm(self):
        self.assertEqual(
            set(), self.wanted(having({'hw:tpm_secret_security': 'host'}))
        )

    def test_nothing_is_asked_of_an_older_nova_or_an_unknown_one(self):
        for newest in ((2, 100), None):
            self.assertEqual(set(), self.wanted(having(HOST_TPM), newest))

    def test_a_vm_goes_only_where_placement_has_all_of_them(self):
        a, b, c = [(f'uuid-{name}', None) for name in 'abc']
        having_all = dict.fromkeys(TPM, [a, b])
        some = {**having_all, SECURITY + 'TIS': [b, c]}
        for table, allowed in ((having_all, ('a', 'b')), (some, ('b',))):
            placement = SmallPlacement(table)
            found = inventory.read_inventory(
                SmallModel([node(name) for name in 'abc']),
                NewCompute([server(HOST_TPM)]),
                scoped=False,
                placement=placement.open,
            )
            self.assertEqual(allowed, found.vms[0].allowed)
