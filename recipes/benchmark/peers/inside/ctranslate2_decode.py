"""Decodes with CTranslate2: int8, and one single-threaded worker a thread, which is its fastest here."""

from __future__ import annotations

import ctranslate2
from driver import Job, Translate, job, measure


def translator(work: Job) -> Translate:
    """The converted model."""
    engine = ctranslate2.Translator(
        str(work.model), compute_type="int8", inter_threads=work.threads, intra_threads=1
    )

    def translate(lines: list[str]) -> list[str]:
        results = engine.translate_batch(
            [line.split() for line in lines], beam_size=work.beam, max_batch_size=work.batch
        )
        return [" ".join(result.hypotheses[0]) for result in results]

    return translate


if __name__ == "__main__":
    task = job()
    measure(task, translator(task))
