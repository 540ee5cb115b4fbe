"""The metadata that a model card begins with, as the Hugging Face Hub documents it, and its YAML.

The fields are those of https://huggingface.co/docs/hub/model-cards and of the modelcard.md of hub-docs; what
they list of licenses is at https://huggingface.co/docs/hub/repositories-licenses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqkit.kinds import Kind
from seqkit.scores import METRICS

LIBRARY = "seqkit"
# Licenses that the Hub knows by these names. Any other is "other", with its name beside it.
_LICENSES = frozenset(
    re.findall(
        r"\S+",
        """afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0
    c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0
    epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0
    lgpl-lr lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail osl-3.0 other pddl postgresql
    unknown unlicense wtfpl zlib""",
    )
)


def metadata(kind: Kind, settings: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the Hub files a model by. `settings` are by dotted name; `scores` are those of a manifest."""
    languages = str(settings.get("data.languages", "")).replace(",", " ").split()
    license = str(settings.get("data.license", "")).lower()
    found: dict[str, Any] = {"library_name": LIBRARY}
    if kind.hub_task:
        found["pipeline_tag"] = kind.hub_task
    if languages:
        found["language"] = list(dict.fromkeys(languages))
    if license in _LICENSES:
        found["license"] = license
    elif license:
        found |= {"license": "other", "license_name": license}
    found["tags"] = ["recurrent", str(settings["model.cell"])]
    metrics = [entry for score in scores if (entry := _metric(score))]
    if kind.hub_task and metrics:
        result = {
            "task": {"type": kind.hub_task},
            "dataset": {"type": "validation", "name": "validation text of the corpus"},
            "metrics": metrics,
        }
        found["model-index"] = [{"name": f"{LIBRARY}-{kind.name}", "results": [result]}]
    return found


def _metric(score: Mapping[str, Any]) -> dict[str, Any] | None:
    """An entry for a score; None for one that is no finite number."""
    name, value = str(score.get("metric")), score.get("score")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    entry: dict[str, Any] = {"type": name, "value": round(float(value), 4)}
    if name in METRICS:
        entry["name"] = METRICS[name].title
    if score.get("signature"):
        entry["args"] = {"signature": str(score["signature"])}
    return entry


def yaml_lines(value: Mapping[str, Any]) -> list[str]:
    """A mapping in block style: of mappings, lists, strings and finite numbers.

    Keys are plain words of ours. Every string is in double quotes, with the escapes of JSON, which YAML has
    too, so that no text is taken for markup, a number or a date.
    """
    return list(_mapping(value))


def _mapping(value: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield f"{key}:"
            yield from (f"  {line}" for line in _mapping(item))
        elif isinstance(item, list):
            yield f"{key}:"
            yield from _list(item)
        else:
            yield f"{key}: {_scalar(item)}"


def _list(items: Sequence[Any]) -> Iterator[str]:
    for item in items:
        lines = list(_mapping(item)) if isinstance(item, Mapping) else [_scalar(item)]
        yield f"- {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])


# What a stream of YAML may not hold as it is, or may take for the end of a line.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def _scalar(value: str | float) -> str:
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode()  # without lone surrogates
        quoted = json.dumps(text, ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    text = repr(value)
    # To YAML 1.1 a number with an exponent has a point.
    return text if "e" not in text or "." in text else text.replace("e", ".0e")
