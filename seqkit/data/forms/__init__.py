"""The fields of a corpus and of a model, by name, and the files that hold them: the one table of forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from seqkit.data.field import Field
from seqkit.data.forms.frames import FRAMES_NAME, Frames
from seqkit.data.forms.labels import LABELS_NAME, Labels
from seqkit.data.tokenizers import (
    CHARACTERS_NAME,
    SENTENCEPIECE_SUFFIX,
    SYMBOLS_NAME,
    Tokenizer,
    load_tokenizer,
)
from seqkit.errors import ModelError
from seqkit.kinds import Form, Kind

__all__ = [
    "FIELD_FILES",
    "FIELD_LIMIT",
    "ROLES",
    "Field",
    "field_files",
    "load_fields",
    "possible_files",
    "self_test",
    "tokenizer_of",
]

FIELD_LIMIT = 1 << 26  # bytes of a field's file
ROLES = ("source", "target")

# What reads the file of a field, by the end of its name, and the forms that such a file describes.
_READERS: Mapping[str, tuple[Callable[[bytes, str], Field], frozenset[Form]]] = MappingProxyType(
    {
        SENTENCEPIECE_SUFFIX: (load_tokenizer, frozenset({"text"})),
        CHARACTERS_NAME: (load_tokenizer, frozenset({"text"})),
        SYMBOLS_NAME: (load_tokenizer, frozenset({"text"})),
        LABELS_NAME: (Labels.from_bytes, frozenset({"class"})),
        FRAMES_NAME: (Frames.from_bytes, frozenset({"array"})),
    }
)
# The file of a vocabulary that all fields share, or that is the only field's.
_JOINT = {
    SENTENCEPIECE_SUFFIX: "tokenizer.spm",
    CHARACTERS_NAME: CHARACTERS_NAME,
    SYMBOLS_NAME: SYMBOLS_NAME,
}


def _file_of(role: str, ending: str) -> str:
    return f"{role}.{ending.removeprefix('.')}"


# Every name that the file of a field may have.
FIELD_FILES = (*_JOINT.values(), *(_file_of(role, ending) for role in ROLES for ending in _READERS))


def possible_files(kind: Kind) -> frozenset[str]:
    """The names that the files of a kind's fields may have."""
    names = {_file_of(role, ending) for role in kind.fields for ending in _READERS if len(kind.fields) > 1}
    return frozenset(names.union(_JOINT.values()))


def field_files(fields: Mapping[str, Field]) -> dict[str, bytes]:
    """The files that `load_fields` reads back, by name; one for a vocabulary that is joint, or alone."""
    first = next(iter(fields.values()))
    if first.file_name in _JOINT and all(field is first for field in fields.values()):
        return {_JOINT[first.file_name]: first.to_bytes()}
    return {_file_of(role, field.file_name): field.to_bytes() for role, field in fields.items()}


def load_fields(files: Mapping[str, bytes], kind: Kind) -> dict[str, Field]:
    """The fields of a corpus or model of a kind, from its files by name; a joint vocabulary is one object.

    The caller has checked the hashes. Raises ModelError when the files do not belong together.
    """
    if len(files) == 1 and (name := next(iter(files))) in _JOINT.values():
        joint = load_tokenizer(files[name], name)
        fields: dict[str, Field] = dict.fromkeys(kind.fields, joint)
    else:
        fields = {}
        for role in kind.fields:
            for ending, (read, _) in _READERS.items():
                if (name := _file_of(role, ending)) in files and role not in fields:
                    fields[role] = read(files[name], name)
        if set(field_files(fields) if fields else ()) != set(files):
            fields = {}
    if "streams" in kind.parts and SYMBOLS_NAME in files:  # a text that is read on and on is cut whole
        fields = {}
    if fields.keys() != kind.fields.keys() or any(
        field.form not in kind.fields[role] for role, field in fields.items()
    ):
        raise ModelError(
            f"these files are not the fields of a {kind.name} corpus: {', '.join(sorted(files)) or 'none'}",
            hint=f"there is one file per field ({', '.join(kind.fields)}), or one joint vocabulary",
        )
    return fields


def self_test(fields: Mapping[str, Field]) -> list[Any]:
    """What the fields make of fixed inputs, one entry for each that is no other's object."""
    return [field.self_test() for field in dict.fromkeys(fields.values())]


def tokenizer_of(fields: Mapping[str, Field], role: str) -> Tokenizer:
    """The tokenizer of a field of text. The caller's kind has that field."""
    field = fields[role]
    assert field.form == "text"
    return field  # type: ignore[return-value]
