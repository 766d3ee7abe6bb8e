"""Conversions between the house's units and what other people speak.

Inside the house everything is bytes, bytes per second and seconds. Only code
at a border calls these: Nova and libvirt speak MiB and MiB/s, people speak
Mbit/s, MiB and minutes.
"""

MIB = 1024.0**2
GIB = 1024.0**3
MBIT = 1e6 / 8.0


def from_mbit_s(rate: float) -> float:
    """Megabits per second to bytes per second."""
    return rate * MBIT


def to_mbit_s(rate: float) -> float:
    """Bytes per second to megabits per second."""
    return rate / MBIT


def from_mib(size: float) -> float:
    """Mebibytes to bytes (also MiB/s to bytes per second)."""
    return size * MIB


def to_mib(size: float) -> float:
    """Bytes to mebibytes (also bytes per second to MiB/s)."""
    return size / MIB


def human_rate(rate: float) -> str:
    """A rate as a person reads it: ``640 Mbit/s`` or ``2.0 Gbit/s``."""
    mbit = to_mbit_s(rate)
    if mbit >= 1000:
        return f'{mbit / 1000:.1f} Gbit/s'
    return f'{mbit:.0f} Mbit/s' if mbit >= 10 else f'{mbit:.1f} Mbit/s'


def human_size(size: float) -> str:
    """A size as a person reads it: ``512 MiB`` or ``1.9 GiB``."""
    if size >= GIB:
        return f'{size / GIB:.1f} GiB'
    return f'{size / MIB:.0f} MiB'


def human_time(seconds: float) -> str:
    """A span as a person reads it: ``96 s`` or ``11 min 40 s``."""
    if seconds < 119.5:
        return f'{seconds:.0f} s' if seconds >= 9.95 else f'{seconds:.1f} s'
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f'{minutes} min {rest} s' if rest else f'{minutes} min'
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes} min'
