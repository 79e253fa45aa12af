"""Whether a memory fits into the machine."""

import math
from collections.abc import Callable
from pathlib import Path

import jax

from tapehead.errors import UserError

GIB = 2**30


def capacity() -> float:
    """Bytes that arrays can take on the device in use; infinite if nobody can tell."""
    try:
        known = jax.local_devices()[0].memory_stats() or {}
    except (RuntimeError, NotImplementedError):
        known = {}
    if "bytes_limit" in known:
        return known["bytes_limit"]
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        total = 1024 * float(text.split("MemTotal:")[1].split()[0])
    except (OSError, IndexError, ValueError):
        return math.inf
    # A container may have less than its machine.
    try:
        return min(total, float(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return total


def expect_room(owner: str, lanes: int, slots: int, size: Callable[[int], int]) -> None:
    """Refuse a memory of which all lanes together do not fit, telling how many slots would.

    `size(slots)` is how many bytes one lane takes with so many slots.
    """
    needed, there = lanes * size(slots), capacity()
    if needed <= there:
        return
    fitting = slots * there / needed
    while fitting >= 1 and lanes * size(int(fitting)) > there:
        fitting *= 0.99
    batch = f" for each of {lanes} sequences" if lanes > 1 else ""
    raise UserError(
        f"{owner}: {slots:,} slots{batch} need {needed / GIB:,.1f} GiB, but the machine has "
        f"{there / GIB:,.1f} GiB; up to {int(fitting):,} slots would fit"
        + (", or take a smaller batch" if lanes > 1 else "")
    )
