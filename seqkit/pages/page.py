"""What pages have in common: one file each, made of templates that escape whatever they are given."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from seqkit.printable import printable, printable_text


def render(template: str, values: Mapping[str, object]) -> bytes:
    """A page, in UTF-8, from a file below `templates` and the values that it names.

    What is printed is text of one line: control characters are shown, and HTML in it is escaped. Text of
    several lines takes the filter `lines`; what is HTML already is a `Markup`.
    """
    page = _environment().get_template(template).render(values)
    return page.encode("utf-8", "replace")  # a heat map shows tokens as they are


def _environment() -> Environment:
    loader = PackageLoader("seqkit.pages")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_line,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def file(name: str) -> Markup:
        """A style sheet or a script as it is: no template."""
        return Markup(loader.get_source(environment, name)[0])

    environment.globals["file"] = file
    environment.filters |= {"lines": _lines, "sha256": _sha256}
    # ASCII, as json's default is, without spaces; the filter `tojson` escapes what could end the element.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _line(value: object) -> object:
    """What `{{ }}` prints: text on one line with its control characters shown, all else as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    """Text whose newlines and tabs stay."""
    return escape(printable_text(text))


def _sha256(content: str) -> str:
    """The hash by which a content policy knows a style sheet or a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
