"""A model directory: a closed list of checked files that hold no code.

    manifest.json         versions, size and SHA-256 of every file, tensor hash, tokenizer self-test
    config.json           every setting of the run
    weights.safetensors   the best checkpoint
    shortlist.safetensors which words a word's translation may have, where that was learnt
    tokenizer.spm, …      what the corpus was tokenised with
    metrics.jsonl         a line per validation
    training/             what is needed to continue; may be deleted

Files outside this list are ignored, links are refused, and nothing is parsed before its hash is checked.
"""

from seqkit.model_directory.manifest import (
    FORMAT,
    Facts,
    read_facts,
    read_facts_of,
    read_versions,
    refuse_other_kind,
)
from seqkit.model_directory.names import CONFIG, LIMITS, MANIFEST, METRICS, SHORTLIST, TRAINING, WEIGHTS
from seqkit.model_directory.reading import LoadedModel, is_complete, load
from seqkit.model_directory.writing import ModelWriter, add_files, create

__all__ = [
    "CONFIG",
    "FORMAT",
    "LIMITS",
    "MANIFEST",
    "METRICS",
    "SHORTLIST",
    "TRAINING",
    "WEIGHTS",
    "Facts",
    "LoadedModel",
    "ModelWriter",
    "add_files",
    "create",
    "is_complete",
    "load",
    "read_facts",
    "read_facts_of",
    "read_versions",
    "refuse_other_kind",
]
