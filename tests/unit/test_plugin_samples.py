"""The samples of the configuration are what the options say today."""

import pathlib
import subprocess
import sys

import fixtures
import testtools
from watcher.applier.actions import base as actions
from watcher.decision_engine.strategy.strategies import base as strategies

from watcher_tsmig.plugin import drain
from watcher_tsmig.plugin import maintenance
from watcher_tsmig.plugin import migrate
from watcher_tsmig.plugin import relief
from watcher_tsmig.plugin.options import samples

ROOT = pathlib.Path(__file__).parents[2]
SAMPLES = {
    'config-generator.conf': 'watcher-tsmig.conf.sample',
    'agent-config-generator.conf': 'tsmig-agent.conf.sample',
}


class TestSample(testtools.TestCase):
    def test_they_are_generated_from_the_options(self):
        folder = self.useFixture(fixtures.TempDir()).path
        made = pathlib.Path(folder) / 'made'
        program = pathlib.Path(sys.executable).parent / 'oslo-config-generator'
        for generator, sample in SAMPLES.items():
            words = ['--config-file', f'etc/{generator}']
            subprocess.run(
                [program, *words, '--output-file', made],
                check=True,
                timeout=120,
                cwd=ROOT,
            )
            self.assertEqual(
                (ROOT / 'etc' / sample).read_text(),
                made.read_text(),
                f'oslo-config-generator {" ".join(words)}',
            )

    def test_it_has_what_our_plugins_declare_beside_watchers_own(self):
        groups = {group: names(opts) for group, opts in samples.list_opts()}
        for group, plugin, base in (
            (
                'watcher_strategies.traffic_sensitive_drain',
                drain.TrafficSensitiveDrain,
                strategies.BaseStrategy,
            ),
            (
                'watcher_strategies.traffic_sensitive_maintenance',
                maintenance.TrafficSensitiveMaintenance,
                strategies.BaseStrategy,
            ),
            (
                'watcher_strategies.traffic_sensitive_relief',
                relief.TrafficSensitiveRelief,
                strategies.BaseStrategy,
            ),
            (
                'watcher_actions.traffic_sensitive_migrate',
                migrate.TrafficSensitiveMigrate,
                actions.BaseAction,
            ),
        ):
            declared = names(plugin.get_config_opts())
            self.assertEqual(
                declared - names(base.get_config_opts()), groups[group]
            )


def names(opts):
    """Of options."""
    return {opt.name for opt in opts}
