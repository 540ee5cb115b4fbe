"""What a model directory says of itself, for people: a page of Markdown, also kept in it as README.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqkit import model_directory
from seqkit.config import flatten
from seqkit.data.forms import tokenizer_of
from seqkit.files import write_atomic
from seqkit.kinds import KINDS, Kind, Noun
from seqkit.model_directory import Facts, LoadedModel
from seqkit.model_directory.front_matter import metadata, yaml_lines
from seqkit.scores import METRICS

CARD = "README.md"
_MARK = "# seqkit train wrote this page and writes it anew; without this line it is yours"
_BEGINNING = f"---\n{_MARK}\n"  # in YAML a comment
_BEGINNING_BEFORE_0_10 = "<!-- seqkit train wrote this page and writes it anew;"
_FAMILIES = {
    "lstm": Noun("LSTM", "LSTMs", "an"),
    "gru": Noun("GRU", "GRUs"),
    "rnn": Noun("tanh network", "tanh networks"),
}


@dataclass(frozen=True)
class ModelCard:
    """A model's facts, sizes, settings and the versions that made it."""

    facts: Facts
    settings: Mapping[str, Any]  # by dotted name
    parameters: int
    vocabularies: tuple[int, ...]  # one that is joint, or the source's and the target's
    tokenizer: str  # its kind; empty without text
    fields: Mapping[str, str]  # what others than text are, in words
    versions: Mapping[str, str]
    shortlist: int | None  # target tokens for each source token

    @classmethod
    def of(cls, directory: Path) -> ModelCard:
        """Read a model directory. Raises `ModelError` and `InputMissing` as loading it does."""
        loaded = model_directory.load(directory)
        fields = loaded.fields
        texts = [tokenizer_of(fields, role) for role, field in fields.items() if field.form == "text"]
        return cls(
            facts=loaded.facts,
            settings=flatten(loaded.config),
            parameters=sum(array.size for array in loaded.parameters.values()),
            vocabularies=tuple(tokenizer.size for tokenizer in dict.fromkeys(texts)),
            tokenizer=" and ".join(dict.fromkeys(tokenizer.kind for tokenizer in texts)),
            fields={role: field.summary for role, field in fields.items() if field.form != "text"},
            versions=model_directory.read_versions(directory),
            shortlist=_shortlist_size(loaded),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.facts.kind,
            "parameters": self.parameters,
            "vocabularies": list(self.vocabularies),
            "tokenizer": self.tokenizer,
            **({"fields": dict(self.fields)} if self.fields else {}),
            "step": self.facts.step,
            "epoch": self.facts.epoch,
            "corpus": self.facts.corpus,
            "size": self.facts.size,
            "scores": list(self.facts.scores),
            "shortlist": self.shortlist,
            "settings": dict(self.settings),
            "versions": dict(self.versions),
        }

    def to_file(self) -> str:
        """The page as the model directory keeps it: behind the metadata that the Hub files it by."""
        kind = KINDS[self.facts.kind]
        lines = "\n".join(yaml_lines(metadata(kind, self.settings, self.facts.scores)))
        return f"{_BEGINNING}{lines}\n---\n{self.to_markdown()}"

    def to_markdown(self) -> str:
        """The page."""
        kind = KINDS[self.facts.kind]
        family = _FAMILIES[self.settings["model.cell"]]
        summary = kind.summary.format(family=family.one, a_family=family)
        scores = [
            [str(score.get("metric")), _score(score), str(score.get("signature"))]
            for score in self.facts.scores
        ]
        return "\n".join(
            [
                f"# {str(kind.model).capitalize()} made with seqkit",
                "",
                f"{summary[0].upper()}{summary[1:]}, of {self.parameters:,} parameters.",
                "",
                "## Use",
                "",
                kind.uses,
                "## Scores of the validation text",
                "",
                *_table(["metric", "score", "signature"], scores),
                "",
                "## Network",
                "",
                *_table(["", ""], self._network(kind)),
                "",
                "## Training",
                "",
                *_table(["", ""], self._training(kind)),
                "",
                "Every setting is in `config.json`, every validation in `metrics.jsonl`; there is no code.",
                "",
            ]
        )

    def _network(self, kind: Kind) -> list[list[str]]:
        model = {name.removeprefix("model."): value for name, value in self.settings.items()}
        layers = []
        if "encoder" in kind.parts:
            layers.append(f"{model['encoder_layers']} in the encoder, in both directions")
        if "decoder" in kind.parts:
            layers.append(f"{model['decoder_layers']}{' in the decoder' if layers else ''}")
        rows = []
        if self.vocabularies:
            sizes = " and ".join(f"{size:,}" for size in self.vocabularies)
            joint = " (joint)" if kind.has_source and len(self.vocabularies) == 1 else ""
            rows.append(["vocabulary", f"{sizes} of kind {self.tokenizer}{joint}"])
            rows.append(["embeddings", f"{model['embedding_size']:,} numbers"])
        rows += [[role, summary] for role, summary in self.fields.items()]
        rows.append(["layers", f"{'; '.join(layers)}; {model['hidden_size']:,} units"])
        if self.shortlist is not None:
            rows.append(["shortlist", f"{self.shortlist} target tokens for each source token"])
        return rows

    def _training(self, kind: Kind) -> list[list[str]]:
        value = self.settings
        batch = (
            f"{value['training.batch_tokens']:,} tokens"
            if "pairs" in kind.parts
            else f"{value['data.streams']:,} streams, slices of {value['data.slice_length']:,} tokens"
        )
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        size = f"{self.facts.size:,} {kind.counted.many}, " if self.facts.size else ""
        return [
            ["text", f"{size}corpus with the fingerprint {self.facts.corpus[:16]}"],
            ["length", f"{self.facts.step:,} steps, {self.facts.epoch:.1f} epochs to the best validation"],
            ["batch", batch],
            [
                "optimizer",
                f"{value['training.optimizer']}, learning rate {value['training.learning_rate']:g}, "
                f"schedule {value['training.schedule']}",
            ],
            ["dropout", f"{value['model.dropout']:g}"],
            ["seed", f"{value['training.seed']}"],
            ["made with", versions],
        ]


def write_card(directory: Path) -> None:
    """Keep the page in the model directory; one that somebody else wrote stays."""
    path = directory / CARD
    if path.is_symlink() or (path.exists() and not _is_ours(path)):
        return
    content = ModelCard.of(directory).to_file().encode()
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as stream:
        beginning = stream.read(len(_BEGINNING))
    return beginning == _BEGINNING.encode() or beginning.startswith(_BEGINNING_BEFORE_0_10.encode())


def _shortlist_size(loaded: LoadedModel) -> int | None:
    return None if loaded.shortlist is None else loaded.shortlist.size


def _score(score: Mapping[str, Any]) -> str:
    metric, value = METRICS.get(str(score.get("metric"))), score.get("score")
    if "undefined" in score:
        return "undefined"
    return metric.text(value) if metric is not None and isinstance(value, float) else str(value)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (heading, ["---"] * len(heading), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
