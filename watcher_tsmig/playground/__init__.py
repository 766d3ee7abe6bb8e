"""A simulated cloud behind the real HTTP APIs, and Watcher in front of it.

For tests, demos and trying things out: ``python -m watcher_tsmig.playground``.
Nothing of it runs in a real deployment.
"""
