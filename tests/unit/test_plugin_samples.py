"""The sample of the configuration is what the options say today."""

import pathlib
import subprocess
import sys

import fixtures
import testtools

from watcher_tsmig.plugin import drain
from watcher_tsmig.plugin import migrate
from watcher_tsmig.plugin import relief
from watcher_tsmig.plugin import samples

ROOT = pathlib.Path(__file__).parents[2]
GENERATOR = ROOT / 'etc/config-generator.conf'
SAMPLE = ROOT / 'etc/watcher-tsmig.conf.sample'


class TestSample(testtools.TestCase):
    def test_it_is_generated_from_the_options(self):
        folder = self.useFixture(fixtures.TempDir()).path
        made = pathlib.Path(folder) / 'made'
        program = pathlib.Path(sys.executable).parent / 'oslo-config-generator'
        words = ['--config-file', GENERATOR, '--output-file', made]
        subprocess.run([program, *words], check=True, timeout=120, cwd=ROOT)
        self.assertEqual(
            SAMPLE.read_text(),
            made.read_text(),
            'oslo-config-generator --config-file etc/config-generator.conf',
        )

    def test_no_plugin_has_an_option_that_is_not_in_it(self):
        groups = {group: list(opts) for group, opts in samples.list_opts()}
        for kind, plugin in (
            ('strategies', drain.TrafficSensitiveDrain),
            ('strategies', relief.TrafficSensitiveRelief),
            ('actions', migrate.TrafficSensitiveMigrate),
        ):
            name = (
                plugin.get_name()
                if kind == 'strategies'
                else 'traffic_sensitive_migrate'
            )
            mine = {
                opt.name
                for opt in plugin.get_config_opts()
                if opt not in super(plugin, plugin).get_config_opts()
            }
            known = {opt.name for opt in groups[f'watcher_{kind}.{name}']}
            self.assertLessEqual(mine - {'datasources'}, known)
