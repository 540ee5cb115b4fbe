"""`seqkit train`: a corpus directory to a model directory."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqkit.cli.options import MACHINE_PANEL, OUTPUT_PANEL, Debug, Device, Json, Quiet, Threads
from seqkit.cli.report import REPORT, report_of_run
from seqkit.cli.terminal import completion, console
from seqkit.cli.terminal.output import json_line, write_results
from seqkit.cli.train.dry_run import rehearse_training, words_of_choice
from seqkit.cli.train.ranking import suited
from seqkit.cli.train.settings import Settings, Traits
from seqkit.cli.train.signals import Signals
from seqkit.errors import ConfigError
from seqkit.kinds import DEFAULT_PRESET, KINDS, TRANSLATION, Kind
from seqkit.training.options import TrainOptions

if TYPE_CHECKING:
    from seqkit.training.events import Finished
    from seqkit.training.sizing import Choice

_STARTED = time.monotonic()  # as near to the process's start as this file gets: minutes count from here
SETTINGS_PANEL = "Settings"
BUDGET_PANEL = "Budget (give one; default: preset's)"
RUN_PANEL = "Run"


def train(
    corpus: Annotated[
        Path | None,
        typer.Argument(
            help="Corpus directory that seqkit prepare wrote.",
            metavar="CORPUS",
            autocompletion=completion.corpora,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Argument(
            help="Model directory to create, or whose run to continue.",
            metavar="MODEL",
            autocompletion=completion.models,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Size of the model: {', '.join(TRANSLATION.presets)}. Default budgets: 30 epochs "
            "(translation); 1, 3, 30 minutes and 60 epochs (generation). "
            f"[default: chosen to fit a budget in minutes on this machine, else {DEFAULT_PRESET}]",
            rich_help_panel=SETTINGS_PANEL,
            metavar="NAME",
            autocompletion=completion.presets,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings that override the preset.",
            rich_help_panel=SETTINGS_PANEL,
            metavar="FILE",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set one setting, overriding the file; repeat for more.",
            rich_help_panel=SETTINGS_PANEL,
            autocompletion=completion.settings,
        ),
    ] = None,
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print every setting and its origin, then exit.",
            rich_help_panel=SETTINGS_PANEL,
        ),
    ] = False,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Number of passes over the training data.",
            rich_help_panel=BUDGET_PANEL,
            metavar="N",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Number of optimizer steps.",
            rich_help_panel=BUDGET_PANEL,
            metavar="N",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Wall-clock minutes, including start-up and validation.",
            rich_help_panel=BUDGET_PANEL,
            metavar="MINUTES",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Random seed. [default: 1]",
            rich_help_panel=RUN_PANEL,
            metavar="N",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="auto|fp32|bf16|fp16",
            help="Precision of matrix products. [default: auto]",
            rich_help_panel=MACHINE_PANEL,
            autocompletion=completion.one_of("auto|fp32|bf16|fp16"),
        ),
    ] = None,
    on_nonfinite: Annotated[
        str | None,
        typer.Option(
            metavar="stop|rollback",
            help="If gradients stay NaN or infinite: stop, or roll back to the last checkpoint and halve the "
            "learning rate, at most five times. [default: stop]",
            rich_help_panel=RUN_PANEL,
            autocompletion=completion.one_of("stop|rollback"),
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Take a dozen steps, write nothing, and estimate the run's time, memory and disk use.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help=f"Write {REPORT} to MODEL at the end: curves, settings, samples, statistics of the text.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Discard an earlier run in MODEL and start over.", rich_help_panel=RUN_PANEL
        ),
    ] = False,
    init_from: Annotated[
        Path | None,
        typer.Option(
            help="Initialise from the weights of this model.",
            metavar="MODEL",
            rich_help_panel=RUN_PANEL,
            autocompletion=completion.models,
        ),
    ] = None,
    json_lines: Json = False,
    quiet: Quiet = False,
    device: Device = "auto",
    threads: Threads = None,
    debug: Debug = False,  # noqa: ARG001 - read by the error boundary
) -> None:
    r"""Train a model on a corpus, or continue an interrupted run.

    Examples:
        # train for 20 minutes; the same command continues an interrupted run
        seqkit train corpus model --minutes 20

        # estimate the time, memory and disk that a larger model needs
        seqkit train corpus model --preset base --dry-run

        # single settings, or a file of them
        seqkit train corpus model --preset base --epochs 40 \
            --set training.learning_rate=0.001 --set model.dropout=0.3
        seqkit train corpus model --config my.toml

        # print every setting, its value and its origin
        seqkit train --preset base --print-config

    The corpus determines the kind of model: pairs give a translator, plain text gives a generator.
    """
    console.show_log(quiet=quiet)
    named = {
        "training.epochs": epochs,
        "training.steps": steps,
        "training.minutes": minutes,
        "training.seed": seed,
        "training.precision": precision,
        "training.on_nonfinite": on_nonfinite,
    }
    kind, traits = _corpus_of(corpus)
    settings = Settings.of_command(kind, preset, config, assignments or [], named, traits)
    settings = settings.continuing(None if restart else model)
    resolved = settings.resolved()
    if settings.for_short and not (quiet or print_config):
        console.note(f"preset {settings.default_preset}, for pairs of short sequences; --preset overrides it")
    settings, ranking = suited(settings, corpus, None if restart else model)
    if print_config:
        write_results("".join(f"{line}\n" for line in settings.lines(as_json=json_lines)))
        return
    if corpus is None or model is None:
        raise ConfigError(
            "train needs two directories: seqkit train CORPUS MODEL", hint="seqkit train --help"
        )
    from seqkit.cli.train.display import TrainingDisplay
    from seqkit.training.events import Finished
    from seqkit.training.run import train_model

    finished: Finished | None = None
    signals = Signals()
    with signals.listening():
        options = TrainOptions(
            corpus=corpus,
            model=model,
            config=resolved.config,
            device=device,
            threads=threads,
            restart=restart,
            init_from=init_from,
            started=_STARTED,
            signalled=lambda: signals.ending,
            save_asked=signals.take_save,
        )
        choice = _chosen(settings, options, quiet=quiet)
        resolved = settings.resolved(choice)
        options = replace(options, config=resolved.config, choice=choice)
        if dry_run:
            rehearse_training(options, preset or settings.default_preset, as_json=json_lines, quiet=quiet)
            return
        metrics = kind.measured(resolved.config.training.best_metric)
        with TrainingDisplay(kind, choice, metrics, ranking, quiet=quiet) as display:
            for event in train_model(options):
                display.show(event)
                if isinstance(event, Finished):
                    finished = event
    assert finished is not None
    if json_lines:
        write_results(json_line({**_summary(model, finished), **words_of_choice(choice)}) + "\n")
    if report:
        report_of_run(options, resolved, quiet=quiet)
    if not quiet:
        _print_summary(model, finished, display.course())


def _corpus_of(corpus: Path | None) -> tuple[Kind, Traits]:
    """What the corpus is for and what it asks of the settings.

    Translation while none is there, so that wrong settings are found first.
    """
    if corpus is None or not corpus.is_dir():
        return TRANSLATION, Traits()
    from seqkit.data.manifest import read_manifest

    manifest = read_manifest(corpus)
    vocabularies = 1 if manifest.tokenizer is None else len(manifest.tokenizer.sizes)
    return KINDS[manifest.kind], Traits(manifest.is_short, vocabularies)


def _chosen(settings: Settings, options: TrainOptions, *, quiet: bool) -> Choice | None:
    """The size that the budget chose, now or when the run began; None where something else settles it."""
    if options.init_from is not None or not settings.by_minutes:
        return None
    if settings.for_short:
        return None  # one preset is for all pairs of short sequences
    if settings.size_by_hand is not None:
        if not quiet:
            console.note(
                f"{settings.size_by_hand} is set, so no size is chosen for the budget; other settings are "
                f"from preset {settings.default_preset}"
            )
        return None
    from seqkit.training.choosing import size_for

    return size_for(options, settings.config)


def _summary(model: Path, finished: Finished) -> dict[str, object]:
    return {
        "schema": 1,
        "model": str(model),
        "step": finished.step,
        "epoch": round(finished.epoch, 3),
        "best_step": finished.best_step,
        "best_metric": finished.metric,
        "best_score": round(finished.score, 4),
        "best_decided_by": finished.decided_by,
        "scores": list(finished.scores),
        "seconds": round(finished.seconds, 1),
        "reason": finished.reason,
    }


def _print_summary(model: Path, finished: Finished, course: Sequence[tuple[str, str]]) -> None:
    title = "The run was finished already" if finished.already else "Training is finished"
    console.table(
        f"{title}: {finished.reason}.",
        [
            (
                "steps",
                f"{finished.step:,} ({finished.epoch:.1f} epochs) in {console.duration(finished.seconds)}",
            ),
            ("best", f"step {finished.best_step:,}, by {_decision(finished)}"),
            *_score_rows(finished),
            *course,
            ("model", str(model)),
        ],
    )
    if finished.advice is not None:
        console.note(finished.advice)
    if finished.already:
        console.note("the model was not changed; --restart starts over")
    console.note(f"next: {finished.kind.next_command.format(model=shlex.quote(str(model)))}")


def _decision(finished: Finished) -> str:
    """The metric by which the best checkpoint is the best, and which one decided where it could not."""
    if finished.decided_by == finished.metric:
        return finished.metric
    return f"{finished.metric}, then {finished.decided_by}"


def _score_rows(finished: Finished) -> Iterator[tuple[str, str]]:
    """The scores with their signatures; one that several share stands once, below them."""
    for signature, group in groupby(finished.scores, key=lambda score: str(score["signature"])):
        scores = list(group)
        for score in scores:
            metric = finished.kind.metric(str(score["metric"]))
            alone = f"  ({signature})" if len(scores) == 1 else ""
            value = "undefined" if "undefined" in score else metric.text(float(score["score"]))
            yield f"valid {metric.title}", value + alone
        if len(scores) > 1:
            yield "signature", signature
