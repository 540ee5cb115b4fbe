"""Decodes with JoeyNMT as its `translate` command does, with the model loaded once."""

from __future__ import annotations

import joeynmt_run  # noqa: F401  puts the stand-ins in place
from driver import Job, Translate, job, measure
from joeynmt.config import load_config, parse_global_args
from joeynmt.prediction import predict, prepare


def translator(work: Job) -> Translate:
    """The model of a configuration file; `work.model` names that file."""
    settings = parse_global_args(load_config(work.model), rank=0, mode="translate")
    model, _train, _valid, stream = prepare(settings, rank=0, mode="translate")
    search = settings.test._replace(beam_size=work.beam, batch_size=work.batch)

    def translate(lines: list[str]) -> list[str]:
        for line in lines:
            stream.set_item(line)
        outputs: list[str]
        _scores, _references, outputs, *_rest = predict(
            model=model,
            data=stream,
            device=settings.device,
            n_gpu=settings.n_gpu,
            normalization="none",
            num_workers=settings.num_workers,
            args=search,
            autocast=settings.autocast,
        )
        stream.reset_cache()
        return outputs

    return translate


if __name__ == "__main__":
    task = job()
    measure(task, translator(task))
