"""How the documentation is built; what it says is in the .rst files."""

import importlib.metadata
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_exts'))

project = 'watcher-tsmig'
author = 'watcher-tsmig maintainers'
copyright = author
release = importlib.metadata.version('watcher-tsmig')
version = release

extensions = ['tables']
html_theme = 'alabaster'
html_theme_options = {
    'description': 'Traffic-sensitive live migrations for OpenStack Watcher',
    'fixed_sidebar': True,
}
