"""What holds of every snapshot, found by hypothesis.

The round trip, and that the shipped JSON Schema and the reader judge alike;
examples of single mistakes are in tests/unit/test_snapshot.py.
"""

import copy
import json
import unittest

import jsonschema
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.property import strategies
from watcher_tsmig import errors
from watcher_tsmig import model
from watcher_tsmig.model import snapshot

SCHEMA = jsonschema.Draft202012Validator(snapshot.schema())

JUNK = st.recursive(
    st.sampled_from(
        (None, True, -1, -0.5, 0, 1, 300, 10**400, '', 'x' * 256, 'a', '1.0')
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(('tx', 'rx', 'name')), inner)
    ),
    max_leaves=4,
)

#: What the reader refuses and a schema cannot say.
BEYOND_SCHEMA = (
    'is already that of',
    'is not among the hosts',
    'does not come after',
    'cannot shrink with time',
    'is not a finite number',
)


def places(node: object, path: tuple = ()) -> list[tuple]:
    """The path of every node of a JSON document below its root."""
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    found = []
    for key, child in items:
        found.append((*path, key))
        found += places(child, (*path, key))
    return found


@st.composite
def spoiled(draw: st.DrawFn) -> object:
    """A good document in which one node is replaced, dropped or added."""
    cloud = draw(strategies.clouds(max_hosts=3, max_vms=3))
    document = json.loads(snapshot.dumps(cloud))
    path = draw(st.sampled_from(places(document)))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    change = draw(st.sampled_from(('replace', 'drop', 'add')))
    if change == 'replace':
        parent[path[-1]] = draw(JUNK)
    elif change == 'drop':
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[draw(st.sampled_from(('tx', 'name', 'nic', 'other')))] = draw(
            JUNK
        )
    else:
        parent.append(draw(JUNK))
    return document


class TestSnapshots(unittest.TestCase):
    """Of all clouds."""

    @given(strategies.clouds())
    def test_a_cloud_that_was_written_is_read_back_the_same(
        self, cloud: model.Cloud
    ) -> None:
        text = snapshot.dumps(cloud)
        again = snapshot.loads(text)
        self.assertEqual(cloud, again)
        self.assertEqual(text, snapshot.dumps(again))

    @given(strategies.clouds(max_hosts=3, max_vms=3))
    def test_what_is_written_fits_the_schema(self, cloud: model.Cloud) -> None:
        SCHEMA.validate(json.loads(snapshot.dumps(cloud)))

    @settings(max_examples=300)
    @given(spoiled())
    def test_schema_and_reader_refuse_the_same(self, document: object) -> None:
        fits = SCHEMA.is_valid(document)
        before = copy.deepcopy(document)
        try:
            snapshot.validate(document)
        except errors.SnapshotError as error:
            beyond = any(text in error.message for text in BEYOND_SCHEMA)
            self.assertTrue(beyond or not fits, error)
        else:
            self.assertTrue(fits, document)
        self.assertEqual(before, document)

    @given(st.text() | st.binary().map(lambda b: b.decode('latin-1')))
    def test_any_text_is_read_or_refused_with_one_line(
        self, text: str
    ) -> None:
        for candidate in (text, '{' + text, '{"cloud": ' + text):
            with self.assertRaises(errors.SnapshotError) as caught:
                snapshot.loads(candidate)
            self.assertNotIn('\n', str(caught.exception))

    @given(strategies.clouds(min_hosts=1, max_hosts=2, max_vms=2), st.data())
    def test_a_text_that_is_cut_off_is_refused_anywhere(
        self, cloud: model.Cloud, data: st.DataObject
    ) -> None:
        text = snapshot.dumps(cloud).rstrip()
        cut = data.draw(st.integers(1, len(text) - 1))
        with self.assertRaises(errors.SnapshotError):
            snapshot.loads(text[:cut])
