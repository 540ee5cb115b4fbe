"""A page for a browser in which every cell of a generator can be looked at: one file, no network, no library.

Text stands in the page as text; numbers are arrays in base64, activations as 8-bit integers, a cell after
the other. The page's policy lets nothing run but the script that is written here.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqkit.cli import console

if TYPE_CHECKING:
    from seqkit.cli.cells import View
    from seqkit.evaluation.cell_relations import Relation, Relations
    from seqkit.evaluation.cells import CellActivations

_LEVELS = 8  # colours on either side of no colour
_FULL = 127  # the integer for an activation of 1
_CHANCES = 65535  # the integer for a probability of 1
_LONGEST_SURPRISAL = 655.35  # bits; kept in hundredths


def page(activations: CellActivations, relations: Relations | None, selected: View) -> bytes:
    """The whole page, with the selected cell in view when it opens."""
    shown = [_shown(piece) for piece in activations.pieces]
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n',
        f"<title>Cells of a generator</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
        _heading(activations),
        _CONTROLS.replace("</form>", f"{_links(relations)}</form>"),
        '<main>\n<pre id="text" tabindex="0" aria-label="The text, coloured">\n',
        html.escape("".join(shown), quote=False),
        "</pre>\n",
        _PANEL,
        "</main>\n",
        _table(relations),
        '<script type="application/json" id="data">',
        _data(activations, relations, selected, shown),
        "</script>\n",
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode()


def _shown(piece: str) -> str:
    """A piece as the page shows it: newlines and tabs as they are, other control characters escaped."""
    return "".join(part if part in "\n\t" else console.printable(part) for part in piece)


def _policy() -> str:
    script, style = (
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (_SCRIPT, _STYLE)
    )
    return f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'"


def _heading(activations: CellActivations) -> str:
    sizes = " + ".join(str(layer.shape[1]) for layer in activations.layers)
    characters = sum(map(len, activations.pieces))
    bits = float(activations.surprisal.sum(dtype=np.float64)) / characters
    return (
        "<header>\n<h1>What the cells of a generator do</h1>\n"
        f"<p>{sizes} cells read {characters:,} characters, predicted with {bits:.2f} bits each. "
        f"Shown is {activations.quantity} behind each character. Point at a character, or tap it.</p>\n"
        "</header>\n"
    )


def _table(relations: Relations | None) -> str:
    """The cells that were found, each a link that selects it."""
    if relations is None:
        return '<p class="note">The text is too short to find out what cells follow.</p>\n'
    rows = "".join(_row(relation) for relation in relations.strongest())
    left_out = html.escape(", ".join(relations.left_out), quote=False)
    return (
        "<section>\n<h2>Cells that follow something</h2>\n"
        "<p>For each feature of the text the cell that follows it best, found on the first half, measured on "
        "the second, as correlations. “Character alone” is what the current character tells without any "
        "memory; bold cells say clearly more.</p>\n"
        '<div class="scroll"><table>\n<thead><tr><th>feature</th><th>cell</th><th>first half</th>'
        "<th>second half</th><th>character alone</th></tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table></div>\n"
        + (f'<p class="note">Too rare in this text: {left_out}.</p>\n' if left_out else "")
        + "</section>\n"
    )


def _links(relations: Relations | None) -> str:
    """The found cells in one line that stays in view, those that remember something first."""
    if relations is None or not relations.features:
        return ""
    found = sorted(relations.strongest(), key=lambda relation: not relation.remembers)
    links = (
        f'<a href="#{relation.layer}:{relation.cell}">{html.escape(relation.description)}</a>'
        for relation in found
    )
    return f'<nav aria-label="Cells that follow something">{" ".join(links)}</nav>\n'


def _row(relation: Relation) -> str:
    name = f"{relation.layer}:{relation.cell}"
    marked = ' class="remembers"' if relation.remembers else ""
    figures = (relation.first_half, relation.second_half, relation.character_alone)
    columns = "".join(f"<td>{figure:+.2f}</td>" for figure in figures).replace("-", "−")
    return (
        f'<tr{marked}><td>{html.escape(relation.description)}</td><td><a href="#{name}">{name}</a></td>'
        f"{columns}</tr>\n"
    )


def _data(
    activations: CellActivations, relations: Relations | None, selected: View, shown: Sequence[str]
) -> str:
    """Everything that the script reads, as JSON that cannot end its element."""
    names = sorted({piece for row in activations.next_pieces for piece in row})
    number_of = {name: number for number, name in enumerate(names)}
    following = [[number_of[name] for name in row] for row in activations.next_pieces]
    lengths = [len(text) for text in shown]
    surprisal = np.minimum(activations.surprisal, _LONGEST_SURPRISAL) * 100
    value: dict[str, Any] = {
        "selected": [selected.layer, selected.cell],
        "lengths": None if set(lengths) == {1} else lengths,
        "layers": [_encoded(np.rint(layer.T * _FULL).astype(np.int8)) for layer in activations.layers],
        "surprisal": _encoded(np.rint(surprisal).astype("<u2")),
        "names": [_shown(name) for name in names],
        "next": _encoded(np.array(following, "<u4")),
        "chances": _encoded(np.rint(activations.next_probabilities * _CHANCES).astype("<u2")),
        "features": [] if relations is None else [feature.description for feature in relations.features],
        "follows": [] if relations is None else _follows(relations),
    }
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _follows(relations: Relations) -> list[list[list[float]]]:
    """For every cell of each layer the feature that it follows best and the second half's correlation."""
    if not relations.features:
        return []
    found = []
    for first, second in zip(relations.first, relations.second, strict=True):
        best = np.abs(first).argmax(axis=0)  # (H,)
        strength = second[best, np.arange(len(best))]
        found.append([[int(row), round(float(r), 2)] for row, r in zip(best, strength, strict=True)])
    return found


def _encoded(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


_SHADES = "\n".join(
    f".{sign}{level} {{ background: rgb(var(--{name}) / {level / _LEVELS:.1%}) }}"
    for sign, name in (("n", "minus"), ("p", "plus"), ("s", "bits"))
    for level in range(1, _LEVELS + 1)
)

_STYLE = (
    """
:root {
  color-scheme: light dark;
  --back: #fff; --text: #1c1e21; --faint: #63676d; --line: #d5d8dc; --raised: #f4f5f7; --link: #0b57c2;
  --minus: 240 110 95; --plus: 95 155 245; --bits: 245 175 60;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #16181b; --text: #e8eaed; --faint: #9aa0a6; --line: #3a3e44; --raised: #202328; --link: #8ab4f8;
    --minus: 170 45 40; --plus: 40 85 175; --bits: 140 90 10;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.35rem; margin: 0 0 .3rem }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem }
p { margin: .3rem 0 .8rem; max-width: 48rem }
a { color: var(--link) }
.note, #follows, label, th, dt { color: var(--faint) }
form {
  position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center;
  padding: .5rem 0; background: var(--back); border-bottom: 1px solid var(--line);
}
label { display: flex; gap: .4rem; align-items: center }
select, input, button { font: inherit; color: var(--text) }
select, input[type=number] {
  padding: .2rem .3rem; background: var(--raised); border: 1px solid var(--line); border-radius: .3rem;
}
input[type=number] { width: 5.5rem }
input[type=range] { flex: 1 1 8rem; min-width: 6rem; max-width: 22rem }
#legend { display: flex; align-items: center; gap: .3rem; font-variant-numeric: tabular-nums }
#legend i { width: .6rem; height: 1.1rem }
#legend span { display: flex; border: 1px solid var(--line) }
nav { flex-basis: 100%; display: flex; gap: .4rem; overflow-x: auto; white-space: nowrap; font-size: .85rem }
nav a {
  padding: .05rem .6rem; border: 1px solid var(--line); border-radius: 1rem; text-decoration: none;
  background: var(--raised);
}
#follows { flex-basis: 100%; font-size: .9rem; min-height: 1.35rem }
main { display: grid; grid-template-columns: minmax(0, 1fr) 17rem; gap: 1.2rem; align-items: start }
pre {
  margin: .8rem 0; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4;
  font: .95rem/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
pre span { cursor: default }
pre .newline::before { content: "↵"; opacity: .45 }
pre .here { outline: 2px solid var(--text); border-radius: 2px }
aside {
  position: sticky; top: 8.5rem; margin-top: .8rem; padding: .7rem .9rem; font-size: .9rem;
  background: var(--raised); border: 1px solid var(--line); border-radius: .5rem;
}
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: 0 }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums }
h3 { font-size: .9rem; margin: .7rem 0 .2rem }
ol { list-style: none; margin: 0; padding: 0 }
li { position: relative; display: flex; justify-content: space-between; padding: 0 .3rem; overflow: hidden }
li code { z-index: 0 }
li i { position: absolute; inset: 1px auto 1px 0; background: rgb(var(--bits) / 45%); border-radius: 2px }
li b { z-index: 0; font-weight: normal; font-variant-numeric: tabular-nums }
li.actual code { font-weight: bold; text-decoration: underline }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td {
  padding: .15rem .9rem .15rem 0; text-align: right; font-weight: normal;
  border-bottom: 1px solid var(--line);
}
th:first-child, td:first-child { text-align: left }
.remembers td { font-weight: bold }
@media (max-width: 46rem) {
  body { padding: .7rem .7rem 15rem }
  main { display: block }
  form { gap: .3rem .7rem }
  label span { display: none }
  #legend { order: -1; flex-basis: 100% }
  #legend span { flex: 1 }
  #legend i { flex: 1; height: .7rem }
  th, td { padding-right: .5rem; font-size: .85rem }
  aside {
    position: fixed; inset: auto 0 0 0; z-index: 2; margin: 0; border-width: 1px 0 0; border-radius: 0;
    padding: .5rem .7rem; max-height: 45vh; overflow-y: auto;
  }
  aside .lists { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem }
  dl { grid-template-columns: auto 1fr auto 1fr }
}
"""
    + _SHADES
    + "\n"
)

_CONTROLS = """<form id="controls">
<label><span>colour by</span> <select id="by">
<option value="cell">a cell</option><option value="bits">surprisal</option>
</select></label>
<label>layer <select id="layer"></select></label>
<label>cell <input id="cell" type="number" min="1" value="1"></label>
<input id="slide" type="range" min="1" value="1" aria-label="cell">
<div id="legend" aria-hidden="true"></div>
<div id="follows"></div>
</form>
"""

_PANEL = """<aside id="panel" aria-live="polite">
<dl><dt>character</dt><dd id="what">–</dd><dt>number</dt><dd id="where">–</dd>
<dt>activation</dt><dd id="value">–</dd><dt>surprisal</dt><dd id="bits">–</dd></dl>
<div class="lists"><div><h3>expected here</h3><ol id="before"></ol></div>
<div><h3>expected next</h3><ol id="after"></ol></div></div>
</aside>
"""

_SCRIPT = """
"use strict";
{  // a scope of its own
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
const layers = data.layers.map((text) => new Int8Array(bytes(text)));
const surprisal = new Uint16Array(bytes(data.surprisal));
const next = new Uint32Array(bytes(data.next));
const chances = new Uint16Array(bytes(data.chances));
const count = surprisal.length, top = next.length / (count + 1), levels = 8;
const sizes = layers.map((values) => values.length / count);
const visible = (text) => text.replace(/\\n/g, "↵").replace(/\\t/g, "→").replace(/ /g, "␣");

// The text becomes a span a position.
const characters = Array.from($("text").textContent);
const spans = [];
const fragment = document.createDocumentFragment();
for (let position = 0, start = 0; position < count; position++) {
  const length = data.lengths ? data.lengths[position] : 1;
  const span = document.createElement("span");
  span.textContent = characters.slice(start, start + length).join("");
  span.dataset.position = position;
  start += length;
  spans.push(span);
  fragment.append(span);
}
$("text").replaceChildren(fragment);

let layer = 0, cell = 0, here = -1, pinned = false;

const shade = (position) => {
  if ($("by").value === "bits") {
    return "s" + Math.min(levels, Math.round(surprisal[position] / 100));
  }
  const value = layers[layer][cell * count + position];
  return (value < 0 ? "n" : "p") + Math.round(Math.abs(value) / 127 * levels);
};

function colour() {
  spans.forEach((span, position) => {
    const newline = span.textContent.includes("\\n") ? " newline" : "";
    span.className = shade(position) + newline + (position === here ? " here" : "");
  });
  const bits = $("by").value === "bits";
  const steps = [];
  for (let level = bits ? 0 : -levels; level <= levels; level++) {
    const step = document.createElement("i");
    step.className = (bits ? "s" : level < 0 ? "n" : "p") + Math.abs(level);
    steps.push(step);
  }
  const scale = document.createElement("span");
  scale.append(...steps);
  $("legend").replaceChildren(bits ? "0" : "−1", scale, bits ? "8 bits and more" : "+1");
  const found = data.follows.length ? data.follows[layer][cell] : null;
  $("follows").textContent = bits ? "how unexpected each character was"
    : `cell ${layer + 1}:${cell + 1}`
    + (found ? `, best at: ${data.features[found[0]]} (correlation ${signed(found[1])})` : "");
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

function select(newLayer, newCell) {
  layer = Math.min(Math.max(newLayer, 1), layers.length) - 1;
  cell = Math.min(Math.max(newCell || 1, 1), sizes[layer]) - 1;
  $("layer").value = layer + 1;
  $("cell").max = $("slide").max = sizes[layer];
  $("cell").value = $("slide").value = cell + 1;
  colour();
  if (here >= 0) point(here);
}

function list(id, position, actual) {
  const rows = [];
  for (let rank = 0; rank < top; rank++) {
    const name = data.names[next[position * top + rank]];
    const chance = chances[position * top + rank] / 65535;
    const row = document.createElement("li"), bar = document.createElement("i");
    const code = document.createElement("code"), figure = document.createElement("b");
    bar.style.width = `${chance * 100}%`;
    code.textContent = visible(name);
    figure.textContent = `${(chance * 100).toFixed(1)} %`;
    if (name === actual) row.className = "actual";
    row.append(bar, code, figure);
    rows.push(row);
  }
  $(id).replaceChildren(...rows);
}

function point(position) {
  if (here >= 0) spans[here].classList.remove("here");
  here = position;
  spans[here].classList.add("here");
  const text = spans[here].textContent;
  $("what").textContent = visible(text);
  $("where").textContent = (here + 1).toLocaleString("en");
  $("value").textContent = signed(layers[layer][cell * count + here] / 127);
  $("bits").textContent = `${(surprisal[here] / 100).toFixed(2)} bits`;
  list("before", here, text);
  list("after", here + 1, here + 1 < count ? spans[here + 1].textContent : null);
}

const target = (event) => event.target.dataset && event.target.dataset.position;
$("text").addEventListener("pointerover", (event) => {
  if (!pinned && event.pointerType === "mouse" && target(event)) point(Number(target(event)));
});
$("text").addEventListener("click", (event) => {
  if (!target(event)) return;
  pinned = !(pinned && Number(target(event)) === here);
  point(Number(target(event)));
});
$("text").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === "Escape") pinned = false;
  if (!step) return;
  event.preventDefault();
  pinned = true;
  point(Math.min(Math.max(here + step, 0), count - 1));
  spans[here].scrollIntoView({ block: "nearest" });
});

const keep = () => history.replaceState(null, "", `#${layer + 1}:${cell + 1}`);
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("by").addEventListener("change", colour);
$("layer").addEventListener("change", () => { select(Number($("layer").value), cell + 1); keep(); });
for (const id of ["cell", "slide"]) {
  $(id).addEventListener("input", () => {
    if ($(id).value) { $("by").value = "cell"; select(layer + 1, Number($(id).value)); keep(); }
  });
}
function follow() {
  const [first, second] = decodeURIComponent(location.hash).slice(1).split(":").map(Number);
  $("by").value = "cell";
  if (first && second) select(first, second); else select(...data.selected);
}
window.addEventListener("hashchange", follow);
layers.forEach((_, number) => $("layer").append(new Option(number + 1)));
follow();
point(0);
}
"""
