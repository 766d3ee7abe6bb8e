"""A disk that goes with its guest: QEMU's NBD mirror, as libvirt drives it.

The target exports an empty image, the source mirrors its disk there; once
the mirror is ready the memory migrates, pauses before the switchover, the
mirror is ended, and the memory goes on. Source: libvirt,
qemu_migration.c, qemuMigrationSrcNBDStorageCopy.
"""

import asyncio
import pathlib
import random

from tests.lab.machine import PATIENCE
from tests.lab.machine import LabFailure
from tests.lab.machine import Machine

PORT = 4544
STEP = 0.02


def image(path: pathlib.Path, size: int, seed: int | None = 1) -> pathlib.Path:
    """A raw image of that many bytes.

    :param seed: of its random content; 0: empty
    """
    with path.open('wb') as file:
        if seed:
            file.write(random.Random(seed).randbytes(size))
        else:
            file.truncate(size)
    return path


async def export(target: Machine, address: str) -> None:
    """Let the target's disk be written from outside."""
    await target.ask(
        'nbd-server-start',
        addr={'type': 'inet', 'data': {'host': address, 'port': str(PORT)}},
    )
    await target.ask(
        'block-export-add',
        type='nbd', id='disk', node_name='disk', writable=True,
    )  # fmt: skip


async def mirror(source: Machine, address: str, cap: float | None) -> None:
    """Begin to copy the disk.

    :param cap: bytes/s
    """
    server = {'type': 'inet', 'host': address, 'port': str(PORT)}
    await source.ask(
        'blockdev-add',
        driver='nbd', node_name='away', server=server, export='disk',
    )  # fmt: skip
    await source.ask(
        'blockdev-mirror',
        job_id='copy', device='disk', target='away', sync='full',
        speed=round(cap or 0),
    )  # fmt: skip


async def ready(source: Machine) -> bool:
    """Whether the copy is complete and only follows."""
    for job in await source.ask('query-block-jobs'):
        if job['device'] == 'copy':
            return bool(job['ready'])
    raise LabFailure(f'{source.name}: the copy of its disk is gone')


async def end(source: Machine, target: Machine) -> None:
    """End the mirror and the export."""
    await source.ask('block-job-cancel', device='copy')
    waited = 0.0
    while await source.ask('query-block-jobs'):
        await asyncio.sleep(STEP)
        waited += STEP
        if waited > PATIENCE:
            raise LabFailure(f'{source.name}: the copy does not end')
    await target.ask('block-export-del', id='disk', mode='hard')
    await target.ask('nbd-server-stop')


def same(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two images hold the same."""
    return one.read_bytes() == other.read_bytes()
