"""The build backend: pbr's own, and a version where pbr can find none.

pbr takes the version from PKG-INFO (a source distribution) or from git's
tags. An archive of the tree has neither, nor has a checkout without tags or
one that git may not read. Only the fallback for these lives here.
"""

import os
import pathlib
import subprocess

from pbr.build import *  # noqa: F403

#: The release that the tree works towards until there is a tag.
NEXT_RELEASE = '0.1.0'

ROOT = pathlib.Path(__file__).resolve().parent.parent
GIT_TIMEOUT_S = 30


def _git(*arguments: str) -> str | None:
    """What git says about this very tree; None where it cannot."""
    # an archive unpacked inside another checkout is not that checkout
    if not (ROOT / '.git').exists():
        return None
    try:
        done = subprocess.run(
            ('git', *arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _fallback() -> str | None:
    """A version where pbr has nothing to go by, else None."""
    if (ROOT / 'PKG-INFO').exists() or _git('describe') is not None:
        return None
    commits = _git('rev-list', '--count', 'HEAD') or '0'
    return f'{NEXT_RELEASE}.dev{commits}'


_version = _fallback()
if _version is not None:
    os.environ.setdefault('PBR_VERSION', _version)
