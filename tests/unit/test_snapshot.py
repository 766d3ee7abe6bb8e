"""Snapshot files: what is read, what is refused, and in which words."""

import copy
import dataclasses
import hashlib
import json
import os
import pathlib
import stat
import tempfile
import unittest
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig import model
from watcher_tsmig.model import snapshot

GOOD: dict[str, Any] = {
    'format_version': '1.0',
    'cloud': {
        'hosts': [
            {
                'name': 'cmp-01',
                'memory': 68719476736,
                'vcpus': 16,
                'nic': {'capacity': 125e6},
            },
            {'name': 'cmp-02', 'memory': 68719476736, 'vcpus': 16},
        ],
        'vms': [
            {
                'id': 'vm-1',
                'name': 'db-1',
                'host': 'cmp-01',
                'memory': 1073741824,
                'vcpus': 1,
                'traffic': {'tx': 25e6, 'rx': 50e6, 'source': 'gnocchi'},
                'working_set': {
                    'resident': 5e8,
                    'samples': [[1, 1e6], [2, 15e5], [4, 2e6]],
                },
            },
            {
                'id': 'vm-2',
                'name': 'db-2',
                'host': 'cmp-01',
                'memory': 1073741824,
                'vcpus': 1,
            },
        ],
    },
}

#: The shape of each version that was ever released.
FINGERPRINTS = {
    '1.0': 'd741e9884f03be9c',
    '1.1': 'c233b3de1b5d15b0',
    '1.2': 'af08029ae12c55d2',
    '1.3': 'c0038430205cfb50',
    '1.4': '4c366ac69f2d38dc',
    '1.5': '2ba3606478826f32',
    '1.6': '2a260566a0588ee5',
    '1.7': 'cbaec27b1cc52e02',
    '1.8': '60832ff2a3431ec8',
    '1.9': 'c01044e92decd343',
    '1.10': 'e1325d6c74b44b0e',
}


def has_default(field: dataclasses.Field) -> bool:
    return field.default is not dataclasses.MISSING


def fingerprint() -> str:
    """A hash of all that a program could notice of the format."""
    kinds = (
        model.Cloud,
        model.Host,
        model.Nic,
        model.NovaSettings,
        model.Vm,
        model.Traffic,
        model.Spread,
        model.WorkingSet,
        model.Contents,
        model.Link,
        model.Group,
    )
    lines = [
        f'{kind.__name__}.{field.name}: {field.type}'
        + (f' = {field.default!r}' if has_default(field) else '')
        for kind in kinds
        for field in dataclasses.fields(kind)
    ]
    lines.append(json.dumps(snapshot.schema(), sort_keys=True))
    return hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:16]


class Case(unittest.TestCase):
    """Tests with a document of their own and a folder of their own."""

    def setUp(self) -> None:
        super().setUp()
        self.document = copy.deepcopy(GOOD)
        self.cloud = self.document['cloud']
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def refused(self, text: str | None = None) -> str:
        """The error that the text (or the own document) ends in."""
        if text is None:
            text = json.dumps(self.document)
        with self.assertRaises(errors.SnapshotError) as caught:
            snapshot.loads(text)
        message = str(caught.exception)
        self.assertNotIn('\n', message)
        self.assertLess(len(message), 300)
        return message


class TestReading(Case):
    """What a good file becomes."""

    def test_absent_and_null_both_mean_unknown(self) -> None:
        self.cloud['vms'][1] |= {'traffic': None, 'working_set': None}
        cloud = snapshot.loads(json.dumps(self.document))
        self.assertIsNone(cloud.vms[1].traffic)
        self.assertIsNone(cloud.hosts[1].nic)
        self.assertIsNone(cloud.taken_at)
        self.assertTrue(cloud.vms[1].active)

    def test_numbers_are_floats_inside(self) -> None:
        cloud = snapshot.loads(json.dumps(self.document))
        self.assertIsInstance(cloud.hosts[0].vcpus, float)
        self.assertIsInstance(cloud.vms[0].working_set.samples[0][0], float)

    def test_counts_are_whole_numbers_however_they_are_written(self) -> None:
        for written in ('2', '2.0'):
            text = json.dumps(self.document).replace(
                '"name": "cmp-01"',
                f'"name": "cmp-01", "max_outgoing": {written}',
            )
            cloud = snapshot.loads(text)
            self.assertIsInstance(cloud.hosts[0].max_outgoing, int)
            self.assertEqual(cloud, snapshot.loads(snapshot.dumps(cloud)))
        self.cloud['hosts'][0]['max_outgoing'] = 1.5
        self.assertIn('is not a whole number', self.refused())

    def test_a_later_minor_version_may_have_more_members(self) -> None:
        self.document |= {'format_version': '1.11', 'taken_by': 'x'}
        self.cloud['vms'][0] |= {'colour': 'red'}
        self.cloud['zones'] = []
        cloud = snapshot.loads(json.dumps(self.document))
        self.assertEqual(2, len(cloud.vms))

    def test_a_byte_order_mark_is_no_mistake(self) -> None:
        path = self.folder / 'bom.json'
        path.write_text(json.dumps(self.document), 'utf-8-sig')
        self.assertEqual(2, len(snapshot.load(path).hosts))

    def test_validate_takes_a_decoded_document(self) -> None:
        snapshot.validate(self.document)
        del self.cloud['hosts']
        self.assertRaises(
            errors.SnapshotError, snapshot.validate, self.document
        )


class TestRefusing(Case):
    """Each mistake gets one error with its place."""

    def test_a_wrong_value_is_named_with_its_place(self) -> None:
        nan = float('nan')
        inf = float('inf')
        table: tuple[tuple[str, Any, str], ...] = (
            ('hosts.0.name', '', 'hosts[0].name: must have 1 to 255'),
            ('hosts.0.memory', '64G', "hosts[0].memory: '64G' is not a numb"),
            ('hosts.0.vcpus', -1, 'hosts[0].vcpus: -1.0 must be at least 0'),
            ('hosts.0.nic', [], 'hosts[0].nic: is a list, not an object'),
            ('hosts.0.nic.capacity', 0, 'hosts[0].nic.capacity: 0.0 must be'),
            ('hosts.1.name', 'cmp-01', "hosts[1].name: 'cmp-01' is already"),
            ('hosts.0.up', 1, 'hosts[0].up: 1.0 is not true or false'),
            ('hosts', {}, 'hosts: is an object, not a list'),
            ('vms.1.id', 'vm-1', "vms[1].id: 'vm-1' is already that of vms"),
            ('vms.1.host', 'cmp-09', "vms[1].host: 'cmp-09' is not among"),
            ('vms.1.host', None, 'vms[1].host: None is not a text'),
            ('vms.1.host', [[]], 'vms[1].host: [[]] is not a text'),
            ('vms.1', 'vm-2', 'vms[1]: is a text, not an object'),
            ('vms.0.memory', nan, 'vms[0].memory: nan is not a finite num'),
            ('vms.0.memory', inf, 'vms[0].memory: inf is not a finite num'),
            ('vms.0.memory', 10**400, 'vms[0].memory: inf is not a finite'),
            ('vms.0.traffic.tx', -5, 'vms[0].traffic.tx: -5.0 must be at'),
            ('vms.0.traffic', {}, 'vms[0].traffic.rx: is missing'),
            (
                'vms.0.working_set.samples.2',
                [4, 1e6],
                'vms[0].working_set.samples[2]: 1000000 bytes after 4 s is '
                'less than 1500000 bytes after 2 s; dirtied memory cannot',
            ),
            (
                'vms.0.working_set.samples.1',
                [1, 2, 3],
                'vms[0].working_set.samples[1]: is not a pair',
            ),
            (
                'vms.0.working_set.samples',
                7,
                'vms[0].working_set.samples: is a number, not a list',
            ),
            ('taken_at', '2026', "taken_at: '2026' is not a number"),
        )
        for path, value, expected in table:
            with self.subTest(path=path, value=str(value)[:20]):
                document = copy.deepcopy(GOOD)
                *parents, last = path.split('.')
                node = document['cloud']
                for key in parents:
                    node = node[int(key) if isinstance(node, list) else key]
                node[int(last) if isinstance(node, list) else last] = value
                message = self.refused(json.dumps(document))
                self.assertTrue(message.startswith(expected), message)

    def test_a_missing_list_of_hosts_is_named(self) -> None:
        del self.cloud['hosts']
        self.assertEqual('hosts: is missing', self.refused())

    def test_a_missing_member_is_named(self) -> None:
        del self.cloud['vms'][1]['memory']
        self.assertEqual('vms[1].memory: is missing', self.refused())

    def test_a_misspelt_member_is_named_with_the_right_one(self) -> None:
        self.cloud['vms'][0]['lockd'] = True
        self.assertEqual(
            "vms[0].lockd: is not known; did you mean 'locked'?",
            self.refused(),
        )

    def test_a_strange_member_name_does_not_break_the_line(self) -> None:
        self.cloud['vms'][0]['a\nb' + 'c' * 9999] = True
        self.assertIn('is not known', self.refused())

    def test_a_member_that_stands_twice_is_refused(self) -> None:
        text = json.dumps(self.document)
        text = text.replace('"id": "vm-2"', '"id": "vm-2", "id": "vm-3"')
        self.assertEqual('vms[1].id: stands here twice', self.refused(text))

    def test_a_number_too_large_to_be_one_is_refused(self) -> None:
        text = json.dumps(self.document)
        for number in ('1e999', '9' * 400, '9' * 100_000, '-1e999'):
            spoiled = text.replace(
                '"memory": 1073741824', f'"memory":{number}'
            )
            self.assertIn('vms[0].memory', self.refused(spoiled))

    def test_another_major_version_is_refused_with_what_to_do(self) -> None:
        table = (
            ('2.0', 'read it with a newer watcher-tsmig'),
            ('0.9', 'take the snapshot again'),
            ('1', 'is not a version'),
            (1.0, 'is not a version'),
            (None, 'is not a version'),
        )
        for version, expected in table:
            with self.subTest(version=version):
                message = self.refused(json.dumps({'format_version': version}))
                self.assertTrue(message.startswith('format_version: '))
                self.assertIn(expected, message)

    def test_what_is_no_snapshot_at_all_is_refused(self) -> None:
        table = (
            ('', 'is empty'),
            ('[]', 'is not a JSON object'),
            ('null', 'is not a JSON object'),
            ('{}', 'format_version: is missing'),
            ('{"a": 1,}', 'is not JSON'),
            ('{"a": ' + '[' * 200_000, 'nested deeper'),
            ('{"a":' * 200_000, 'nested deeper'),
            ('{"format_version": "1.0", "cloud": 3}', 'cloud: is a number'),
            ('{"format_version": "1.0"}', 'cloud: is missing'),
        )
        for text, expected in table:
            with self.subTest(text=text[:40]):
                self.assertIn(expected, self.refused(text))

    def test_a_file_that_is_cut_off_is_called_so(self) -> None:
        text = snapshot.dumps(snapshot.loads(json.dumps(self.document)))
        for cut in (20, 200, len(text) // 2, len(text) - 3):
            self.assertIn('cut off', self.refused(text[:cut]))


class TestFiles(Case):
    """Reading and writing whole files."""

    def refused_file(self, path: pathlib.Path) -> str:
        with self.assertRaises(errors.SnapshotError) as caught:
            snapshot.load(path)
        return str(caught.exception)

    def test_what_was_dumped_is_loaded(self) -> None:
        cloud = snapshot.loads(json.dumps(self.document))
        path = self.folder / 'rack7.json'
        snapshot.dump(cloud, path)
        self.assertEqual(cloud, snapshot.load(path))
        self.assertEqual(cloud, snapshot.load(str(path)))
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
        self.assertEqual([path], list(self.folder.iterdir()))

    def test_a_file_that_cannot_be_written_leaves_nothing_behind(self) -> None:
        cloud = snapshot.loads(json.dumps(self.document))
        folder = self.folder / 'folder.json'
        folder.mkdir()
        for path in (folder, self.folder / 'no' / 'rack7.json'):
            with self.assertRaisesRegex(errors.SnapshotError, 'cannot write'):
                snapshot.dump(cloud, path)
        self.assertEqual([folder], list(self.folder.iterdir()))

    def test_what_is_no_readable_file_is_refused(self) -> None:
        fifo = self.folder / 'fifo'
        os.mkfifo(fifo)
        for path in (self.folder / 'none.json', self.folder, fifo):
            self.assertIn('cannot read', self.refused_file(path))
        self.assertIn('cannot read', self.refused_file(pathlib.Path('a\0b')))
        self.assertIn(
            'cannot read', self.refused_file(pathlib.Path('/dev/zero'))
        )

    @unittest.skipIf(
        os.geteuid() == 0,
        'root reads everything: run the tests as another user',
    )
    def test_a_file_without_permission_is_refused(self) -> None:
        path = self.folder / 'secret.json'
        path.touch(0)
        self.assertIn('Permission denied', self.refused_file(path))

    def test_bytes_that_are_no_text_are_refused(self) -> None:
        path = self.folder / 'disk.img'
        path.write_bytes(b'{"a": "\xff\xfe\x00"}')
        self.assertIn('byte 7: is not UTF-8', self.refused_file(path))

    def test_a_hundred_megabytes_of_nonsense_are_not_read(self) -> None:
        path = self.folder / 'huge.json'
        with path.open('wb') as file:
            file.write(b'{"format_version": ')
            file.truncate(100 * 1000**2)
        self.assertIn('larger than 64 MiB', self.refused_file(path))


class TestTheFormat(unittest.TestCase):
    """The shape is a promise."""

    def test_the_shape_changes_only_with_its_version(self) -> None:
        version = snapshot.FORMAT_VERSION
        self.assertEqual(
            FINGERPRINTS.get(version),
            fingerprint(),
            f'The shape of a snapshot is no longer that of {version}. Raise '
            'FORMAT_VERSION in model/snapshot.py (minor where members were '
            'only added and may be absent, else major), say the same in '
            'cloud.schema.json, write a release note, and add the new '
            'version with its fingerprint to FINGERPRINTS. Fingerprints of '
            'released versions stay as they are.',
        )

    def test_the_schema_names_the_version(self) -> None:
        self.assertEqual(
            snapshot.FORMAT_VERSION,
            snapshot.schema()['properties']['format_version']['const'],
        )

    def test_the_schema_names_the_members_of_the_values(self) -> None:
        parts = snapshot.schema()['$defs']
        for name, kind in (
            ('cloud', model.Cloud),
            ('host', model.Host),
            ('nic', model.Nic),
            ('vm', model.Vm),
            ('traffic', model.Traffic),
            ('working_set', model.WorkingSet),
            ('contents', model.Contents),
            ('link', model.Link),
            ('group', model.Group),
            ('passage', model.Passage),
        ):
            fields = dataclasses.fields(kind)
            self.assertEqual(
                [field.name for field in fields],
                list(parts[name]['properties']),
            )
            self.assertEqual(
                [field.name for field in fields if not has_default(field)],
                parts[name]['required'],
            )
