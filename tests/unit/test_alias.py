"""A cloud under other names is alike, and nobody is named in it."""

import dataclasses
import json
import typing
import unittest

from tests.unit import builders
from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Link
from watcher_tsmig.model import Passage
from watcher_tsmig.model import snapshot
from watcher_tsmig.model.alias import TEXTS
from watcher_tsmig.model.alias import anonymised

KEY = b'0123456789abcdef'
OTHER = b'fedcba9876543210'


def rack() -> Cloud:
    """Everything in it that can have a name, each with ACME in it."""

    def named(name: str, at: str) -> object:
        return builders.vm(
            f'ACME-{name}',
            f'ACME-{at}',
            tx=5.0,
            state='active',
            zone='ACME-zone',
            sla='ACME-gold',
            allowed=('ACME-b', 'ACME-a'),
        )

    hosts = tuple(
        dataclasses.replace(builders.host(f'ACME-{n}'), zone='ACME-zone')
        for n in 'abc'
    )
    vms = (named('one', 'a'), named('two', 'a'), named('three', 'b'))
    ids = tuple(vm.id for vm in vms)
    return Cloud(
        hosts=hosts,
        vms=vms,
        taken_at=5.0,
        links=(
            Link(name='ACME-wan', hosts=('ACME-a', 'ACME-c'), capacity=1e9),
        ),
        groups=(Group(id='ACME-g', policy='affinity', members=ids[:2]),),
        passages=(Passage(vm=ids[2], source='ACME-b', destination='ACME-c'),),
    )


def texts(kind: object) -> list[tuple[str, str]]:
    """Class and field of every text that a value of this class may have."""
    found = []
    for name, hint in typing.get_type_hints(kind).items():
        for part in parts(hint):
            if part is str:
                found.append((kind.__name__, name))
            elif dataclasses.is_dataclass(part):
                found += texts(part)
    return found


def parts(hint: object) -> list[object]:
    """All classes in a hint."""
    inner = typing.get_args(hint)
    return [p for part in inner for p in parts(part)] if inner else [hint]


class TestNames(unittest.TestCase):
    def test_nothing_that_names_somebody_remains(self) -> None:
        self.assertIn('ACME', snapshot.dumps(rack()))
        text = snapshot.dumps(anonymised(rack(), KEY))
        self.assertNotIn('ACME', text)

    def test_every_text_of_the_model_is_in_the_table_and_no_other(
        self,
    ) -> None:
        self.assertEqual(set(TEXTS), set(texts(Cloud)))

    def test_who_belongs_together_still_does(self) -> None:
        found = anonymised(rack(), KEY)
        by_vm = {vm.id: vm for vm in found.vms}
        (group,), (link,), (passage,) = (
            found.groups,
            found.links,
            found.passages,
        )
        self.assertEqual('affinity', group.policy)
        together = {by_vm[member].host for member in group.members}
        self.assertEqual(1, len(together))
        self.assertEqual(by_vm[passage.vm].host, passage.source)
        # a is the end of the link from which nothing is under way
        self.assertEqual(together | {passage.destination}, set(link.hosts))
        self.assertEqual(
            {frozenset((passage.source, *together))},
            {frozenset(vm.allowed or ()) for vm in found.vms},
        )
        self.assertEqual(
            {host.zone for host in found.hosts}, {vm.zone for vm in found.vms}
        )

    def test_numbers_stay(self) -> None:
        def numbers(cloud: Cloud) -> list[str]:
            rows = json.loads(snapshot.dumps(cloud))['cloud']
            return sorted(
                json.dumps({k: row[k] for k in ('memory', 'vcpus')})
                + json.dumps(row.get('traffic'))
                for part in ('hosts', 'vms')
                for row in rows[part]
            )

        before, found = rack(), anonymised(rack(), KEY)
        self.assertEqual(before.taken_at, found.taken_at)
        self.assertEqual(
            sorted(vm.working_set.samples for vm in before.vms),
            sorted(vm.working_set.samples for vm in found.vms),
        )
        self.assertEqual(numbers(before), numbers(found))

    def test_the_same_key_gives_the_same_names_and_another_others(
        self,
    ) -> None:
        found = anonymised(rack(), KEY)
        self.assertEqual(found, anonymised(rack(), KEY))
        other = anonymised(rack(), OTHER)
        self.assertFalse(
            {vm.id for vm in found.vms} & {vm.id for vm in other.vms}
        )
        self.assertFalse(
            {host.name for host in found.hosts}
            & {host.name for host in other.hosts}
        )
        # under the same key a part of the cloud has the names of the whole
        part = dataclasses.replace(
            rack(), vms=rack().vms[:1], groups=(), passages=()
        )
        self.assertEqual(
            {host.name for host in found.hosts},
            {host.name for host in anonymised(part, KEY).hosts},
        )

    def test_the_order_is_of_the_new_names(self) -> None:
        found = anonymised(rack(), KEY)
        names = [host.name for host in found.hosts]
        self.assertEqual(sorted(names), names)
        rows = [(vm.host, vm.name, vm.id) for vm in found.vms]
        self.assertEqual(sorted(rows), rows)

    def test_a_host_and_a_vm_of_one_name_do_not_share_their_new_one(
        self,
    ) -> None:
        cloud = builders.cloud('same', builders.vm('same', 'same'))
        found = anonymised(cloud, KEY)
        self.assertNotEqual(
            found.hosts[0].name.partition('-')[2],
            found.vms[0].name.partition('-')[2],
        )

    def test_a_short_key_is_refused(self) -> None:
        with self.assertRaises(errors.InputError):
            anonymised(rack(), KEY[:15])
