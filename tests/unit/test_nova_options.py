"""The options of Nova that documentation and help name are Nova's.

An operator who sets an option in the wrong section is not told so by Nova.
"""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Nova 34 (2026.2): the section of each option, nova/conf/*.py. Others that
#: begin with `live_migration_` are of one section.
SECTIONS = {
    'default_schedule_zone': 'DEFAULT',
    'live_migration_retry_count': 'DEFAULT',
    'live_migration_wait_for_vif_plug': 'compute',
    'limit_tenants_to_placement_aggregate': 'scheduler',
    'max_concurrent_live_migrations': 'DEFAULT',
    'max_limit': 'api',
    'reclaim_instance_interval': 'DEFAULT',
}
LIVE = re.compile(r'live_migration_[a-z_]+$')
LIVE_SECTION = 'libvirt'
# As people write it: [section]option, in running text that may be broken
# between lines or between the pieces of a Python string.
NAMED = re.compile(r'\[(\w+)\][\s\'"`#]*([a-z]+(?:_[a-z]+)+)')
MUST_NAME_SECTION = 'max_concurrent_live_migrations'


def section_of(option):
    """The option's section in nova.conf; None where it is not Nova's."""
    return SECTIONS.get(option, LIVE_SECTION if LIVE.match(option) else None)


def wrong(text):
    """Options of Nova that the text names in a section that is not theirs."""
    return [
        f'[{section}]{option}'
        for section, option in NAMED.findall(text)
        if section_of(option) not in (None, section)
    ]


def texts():
    """What operators read: documentation, help, messages."""
    yield ROOT / 'README.rst'
    yield from sorted((ROOT / 'doc' / 'source').rglob('*.rst'))
    yield from sorted((ROOT / 'watcher_tsmig').rglob('*.py'))


class TestNovaOptions(unittest.TestCase):
    def test_every_option_of_nova_is_named_in_its_section(self):
        found = {
            str(path.relative_to(ROOT)): mistakes
            for path in texts()
            if (mistakes := wrong(path.read_text('utf-8')))
        }
        self.assertEqual({}, found)

    def test_the_limit_of_migrations_at_once_is_told_with_its_section(self):
        named = [
            section
            for path in texts()
            for section, option in NAMED.findall(path.read_text('utf-8'))
            if option == MUST_NAME_SECTION
        ]
        self.assertGreaterEqual(len(named), 3)
        self.assertEqual({'DEFAULT'}, set(named))

    def test_a_wrong_section_is_noticed_however_the_line_is_broken(self):
        option = 'max_concurrent_live_migrations'
        for text in (
            f'[compute]{option}',
            f"'[compute]'\n    '{option}'",
            f'``[compute]``\n``{option}``',
            '[DEFAULT]live_migration_bandwidth',
        ):
            with self.subTest(text):
                self.assertEqual(1, len(wrong(text)))
        self.assertEqual([], wrong(f'[DEFAULT]{option}'))
        self.assertEqual([], wrong('[libvirt]live_migration_timeout_action'))
