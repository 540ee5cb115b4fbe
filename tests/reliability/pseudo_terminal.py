"""The other end of a terminal that a command writes to."""

from __future__ import annotations

import os
import select
import time


def everything_sent_to(terminal: int, seconds: float = 90) -> bytes:
    """What a terminal is sent until its last writer closes it, or for so long; it is closed then."""
    seen, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError:  # so ends a terminal
            break
        if not chunk:
            break
        seen += chunk
    os.close(terminal)
    return seen
