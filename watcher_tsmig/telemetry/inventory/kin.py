"""What a VM has in common with others: its flavor, its image, its project.

Who was never measured is taken to be like those that share most of them.
"""

from watcher_tsmig.telemetry.clients import Server


def kin_of(server: Server) -> tuple[str, ...]:
    """What it shares, as texts that are equal where it is shared."""
    image = server.image or {}
    found = (
        ('flavor', server.flavor.original_name),
        ('image', image.get('id')),
        ('project', server.project_id),
    )
    return tuple(f'{kind}:{name}' for kind, name in found if name)
