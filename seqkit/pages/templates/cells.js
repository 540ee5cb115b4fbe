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
const visible = (text) => text.replace(/\n/g, "↵").replace(/\t/g, "→").replace(/ /g, "␣");

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
    const newline = span.textContent.includes("\n") ? " newline" : "";
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
