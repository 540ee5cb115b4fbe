"""numpy's random generators, loaded while signals wait.

Their modules are written in Cython, which drops the exception of a signal's handler that runs while one of
them loads: the process would go on as if nobody had told it to end.
"""

from __future__ import annotations

import signal

from seqkit.signals import ENDING

_waiting = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
try:
    from numpy.random import Generator, Philox, default_rng
finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, _waiting)

__all__ = ["Generator", "Philox", "default_rng"]
