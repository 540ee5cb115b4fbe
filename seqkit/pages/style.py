"""The style sheet of the report: one for light and dark, wide and narrow, screen and paper."""

from __future__ import annotations

LEVELS = 8  # shades on either side of none

SHADES = "\n".join(
    f".{sign}{level} {{ background: rgb(var(--{name}) / {level / LEVELS:.1%}) }}"
    for sign, name in (("n", "minus"), ("p", "plus"))
    for level in range(1, LEVELS + 1)
)

STYLE = (
    """
:root {
  color-scheme: light dark;
  --back: #fff; --text: #1c1e21; --faint: #5d6166; --line: #d5d8dc; --raised: #f4f5f7; --good: #0a7d43;
  --bad: #b3261e; --minus: 240 110 95; --plus: 95 155 245;
  --series-1: #2f6fd0; --series-2: #c8452f; --series-3: #168a6b; --series-4: #9a55c7;
  --series-5: #b97a00; --series-6: #5b6b7b; --series-7: #c23b83; --series-8: #6b8e23;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #16181b; --text: #e8eaed; --faint: #a3a9b0; --line: #3d4248; --raised: #202328; --good: #6fd39b;
    --bad: #ff8f85; --minus: 170 45 40; --plus: 40 85 175;
    --series-1: #7db0ff; --series-2: #ff8b73; --series-3: #55d0ab; --series-4: #d09bf5;
    --series-5: #f0b84a; --series-6: #a9b8c6; --series-7: #f58ac0; --series-8: #b5d468;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; padding: 1rem; max-width: 84rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.4rem; margin: 0 0 .2rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; font-weight: 600 }
p { margin: .2rem 0 .8rem; max-width: 50rem; color: var(--faint) }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem }
a { color: var(--series-1) }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem }
figure { margin: 0; padding: .6rem; background: var(--raised); border-radius: .5rem }
figure svg { display: block; width: 100%; height: auto }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .9rem .15rem 0; text-align: left; vertical-align: top }
th { font-weight: 600; color: var(--faint) }
.rows th, .rows td { border-bottom: 1px solid var(--line); white-space: nowrap }
.numbers td, .numbers th { text-align: right }
.samples td:last-child { white-space: normal; min-width: 16rem }
tr.best td { font-weight: 600 }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: .3rem 0 }
dt { color: var(--faint) }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
ins, del { text-decoration: none }
ins { color: var(--good) }
del { color: var(--bad) }
pre, code { font: .9rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
pre {
  margin: .3rem 0; padding: .5rem .7rem; background: var(--raised); border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4;
}
summary { cursor: pointer; color: var(--faint) }
.attention td { min-width: 1.1rem; height: 1.3rem; padding: 0; border: 1px solid var(--line) }
.attention th { color: inherit; font-size: .85rem }
@media (max-width: 40rem) {
  body { padding: .7rem }
  dl { grid-template-columns: 1fr }
  dd { margin: 0 0 .4rem }
}
@media print { figure, pre { break-inside: avoid; background: none } }
"""
    + SHADES
    + "\n"
)
