"""Decodes with OpenNMT-py through its inference engine, which is made once."""

from __future__ import annotations

import os

import opennmt_run  # noqa: F401  puts the stand-ins in place
from driver import Job, Translate, job, measure
from onmt.bin.translate import _get_parser
from onmt.inference_engine import InferenceEnginePY
from onmt.utils.parse import ArgumentParser


def translator(work: Job) -> Translate:
    """The engine as `onmt_translate` makes it."""
    arguments = ["-model", str(work.model), "-src", str(work.source), "-output", os.devnull]
    arguments += ["-beam_size", str(work.beam), "-batch_size", str(work.batch)]
    options = _get_parser().parse_args(arguments)
    ArgumentParser.validate_translate_opts(options)
    ArgumentParser._get_all_transform_translate(options)
    ArgumentParser._validate_transforms_opts(options)
    ArgumentParser.validate_translate_opts_dynamic(options)
    engine = InferenceEnginePY(options)
    return lambda lines: [best for best, *_others in engine.infer_list(lines)[1]]


if __name__ == "__main__":
    task = job()
    measure(task, translator(task))
