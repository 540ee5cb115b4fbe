"""A process of `fresh_workers`: reads models, then does the tasks that come in, until no more can come.

python -m seqkit.inference.fresh_worker translation     started by fresh_workers alone
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, Iterable

from seqkit.inference.fresh_workers import MODELS
from seqkit.inference.workers import framed, read_framed

Task = Callable[[bytes], Iterable[bytes]]


def main() -> None:
    """Standard input has the tasks, standard output gets each one's records and then an empty one."""
    code = 1
    try:
        from seqkit.inference import generator, translator
        from seqkit.inference.handover import unpacked

        roles: dict[str, Callable[..., Task]] = {
            "translation": translator.worker_task,
            "generation": generator.worker_task,
        }
        with mmap.mmap(MODELS, 0, access=mmap.ACCESS_READ) as content:
            records_of = roles[sys.argv[1]](unpacked(content), *sys.argv[2:])
        with open(0, "rb") as tasks, open(1, "wb") as stream:
            while (task := read_framed(tasks)) is not None:
                for record in records_of(task):
                    stream.write(framed(record))
                    stream.flush()
                stream.write(framed(b""))
                stream.flush()
        code = 0
    finally:
        os._exit(code)  # at once: nothing here needs to be put in order


if __name__ == "__main__":
    main()
