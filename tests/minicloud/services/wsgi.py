"""Serve one real OpenStack WSGI application on loopback by waitress.

Arguments: MODULE:NAME, the port, then what the service shall find in its
own sys.argv (watcher and gnocchi read --config-file from there).
"""

import importlib
import sys

import waitress


def main() -> None:
    """Load the application and serve it until the process is ended."""
    target, port, *arguments = sys.argv[1:]
    module, name = target.split(':')
    sys.argv = [module.split('.')[0], *arguments]
    found = getattr(importlib.import_module(module), name)
    application = found() if name == 'load' else found
    waitress.serve(
        application,
        host='127.0.0.1',
        port=int(port),
        threads=8,
        channel_timeout=300,
        # clients keep theirs open; at the limit all wait for a timeout
        connection_limit=5000,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
    )


if __name__ == '__main__':
    main()
