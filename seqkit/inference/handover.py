"""Models as bytes, for processes that begin afresh: what one has loaded another gets without its directory.

The directory would not do. A run that trains may publish other weights into it at any time, and one input
would then be translated by two models.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from mmap import mmap
from typing import Any

from safetensors.numpy import save as serialize

from seqkit.config import config_from_dict
from seqkit.data.forms import field_files, load_fields
from seqkit.kinds import KINDS
from seqkit.model_directory import SHORTLIST, WEIGHTS, Facts, LoadedModel
from seqkit.network.arrays import float_arrays
from seqkit.network.blueprint import Blueprint
from seqkit.network.shortlist import Shortlist

_LENGTH = struct.Struct("<Q")


def packed(members: Iterable[LoadedModel]) -> Iterator[bytes]:
    """The bytes of models, a part at a time."""
    for member in members:
        files = {
            **field_files(member.fields),
            WEIGHTS: serialize(dict(member.parameters)),
        }
        if member.shortlist is not None:
            files[SHORTLIST] = member.shortlist.to_bytes()
        sizes = {name: len(content) for name, content in files.items()}
        facts = asdict(member.facts)
        head = json.dumps({"config": member.config.to_dict(), "facts": facts, "files": sizes}).encode()
        yield _LENGTH.pack(len(head)) + head
        yield from files.values()


def unpacked(content: bytes | mmap) -> list[LoadedModel]:
    """What `packed` made, from bytes or a map of the file that holds them."""
    members, place = [], 0
    while place < len(content):
        place, (length,) = place + _LENGTH.size, _LENGTH.unpack(content[place : place + _LENGTH.size])
        place, head = place + length, json.loads(content[place : place + length])
        files = {}
        for name, size in head["files"].items():
            place, files[name] = place + size, content[place : place + size]
        members.append(_model(head, files))
    return members


def _model(head: dict[str, Any], files: dict[str, bytes]) -> LoadedModel:
    facts = Facts(**{**head["facts"], "scores": tuple(head["facts"]["scores"])})
    config = config_from_dict(head["config"], "config", KINDS[facts.kind])
    weights, shortlist = files.pop(WEIGHTS), files.pop(SHORTLIST, None)
    fields = load_fields(files, KINDS[facts.kind])
    blueprint = Blueprint.of(KINDS[facts.kind], config.model, fields)
    parameters = float_arrays(weights, blueprint.shapes(), WEIGHTS)
    known = None
    if shortlist is not None:
        known = Shortlist.from_bytes(shortlist, fields["source"].size, fields["target"].size, SHORTLIST)
    return LoadedModel(parameters, config, facts, fields, known)
