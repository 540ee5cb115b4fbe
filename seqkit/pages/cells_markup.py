"""The fixed parts of the page that `cells_page` writes: its style, its controls and its script."""

from __future__ import annotations

_LEVELS = 8  # shades on either side of none, as in the script

_SHADES = "\n".join(
    f".{sign}{level} {{ background: rgb(var(--{name}) / {level / _LEVELS:.1%}) }}"
    for sign, name in (("n", "minus"), ("p", "plus"), ("s", "bits"))
    for level in range(1, _LEVELS + 1)
)

STYLE = (
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

CONTROLS = """<form id="controls">
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

PANEL = """<aside id="panel" aria-live="polite">
<dl><dt>character</dt><dd id="what">–</dd><dt>number</dt><dd id="where">–</dd>
<dt>activation</dt><dd id="value">–</dd><dt>surprisal</dt><dd id="bits">–</dd></dl>
<div class="lists"><div><h3>expected here</h3><ol id="before"></ol></div>
<div><h3>expected next</h3><ol id="after"></ol></div></div>
</aside>
"""

SCRIPT = """
"use strict";
{  // a scope of its own
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
const layers = data.layers.map((text) => new Int8Array(bytes(text)));
const surprisal = new Uint16Array(bytes(data.surprisal));
const next = new Uint32Array(bytes(data.next));
const chances = new Uint16Array(bytes(data.chances));
const count = surprisal.length, top = next.length / (count + 1);
const levels = 8;  // shades on either side of none
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
