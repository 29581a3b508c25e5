"""The dictionary as files: one page that needs nothing beside it, and the same content as JSON.

    dictionary/index.html         tables, columns, definitions, sources and publishers' columns, with search
    dictionary/dictionary.json    the same for programs

The page loads nothing and works without scripts; with them it searches as one types. Every word in it is escaped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment

FOLDER = "dictionary"
PAGE = "index.html"
DATA = "dictionary.json"

_THEMES = {
    "market": "Market",
    "research": "Research and development",
    "manufacturing": "Where it is made",
    "trade": "Trade and supply",
    "contract_manufacturing": "Contract manufacturing",
    "pipeline": "Regenerative medicine",
    "policy": "Policy",
    "scoreboard": "Scoreboard",
}
_STYLE = """\
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --back: #fff; --bar: #f6f8fa;
  --link: #0550ae; --mark: #fff3a3; --code: #24292f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #30363d; --back: #0d1117;
  --bar: #161b22; --link: #79c0ff; --mark: #6b5900; --code: #c9d1d9; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 6rem; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); }
a { color: var(--link); }
header { position: sticky; top: 0; z-index: 1; background: var(--bar); border-bottom: 1px solid var(--line);
  padding: .7rem 1.2rem; display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: baseline; }
header h1 { font-size: 1.1rem; margin: 0; }
header p { margin: 0; color: var(--soft); font-size: .87rem; }
header p:last-child { flex-basis: 100%; }
#search { flex: 1 1 18rem; max-width: 38rem; font: inherit; padding: .4rem .7rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--back); color: inherit; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.page { display: grid; grid-template-columns: 19rem minmax(0, 1fr); max-width: 100rem; margin: 0 auto; }
nav { position: sticky; top: 5.4rem; align-self: start; max-height: calc(100vh - 5.4rem); overflow: auto;
  padding: .6rem 1.2rem 2rem; font-size: .87rem; border-right: 1px solid var(--line); }
nav h2 { font-size: .78rem; text-transform: uppercase; letter-spacing: .04em; color: var(--soft);
  margin: 1rem 0 .2rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: .08rem 0; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
main { padding: .6rem 1.4rem 4rem; }
main > h2 { font-size: 1.25rem; border-bottom: 1px solid var(--line); margin: 1.8rem 0 .4rem; }
details { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .45rem 0; }
summary code { font-weight: 600; font-size: .95rem; }
summary .what { color: var(--soft); }
details[open] > summary .what { display: none; }
.about { margin: .2rem 0 .5rem; max-width: 75ch; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem .9rem; margin: .3rem 0 .7rem;
  font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td { overflow-wrap: anywhere; }
td:first-child { min-width: 11rem; }
.type { color: var(--soft); font-size: .84rem; white-space: nowrap; }
.from { color: var(--soft); font-size: .84rem; }
code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: .86em; }
pre { background: var(--bar); color: var(--code); padding: .5rem .7rem; margin: 0; overflow-x: auto;
  border-radius: .3rem; }
.key { color: var(--soft); font-size: .75rem; border: 1px solid var(--line); border-radius: .6em; padding: 0 .4em; }
[hidden] { display: none !important; }
::highlight(found) { background: var(--mark); color: inherit; }
@media (max-width: 60rem) { .page { grid-template-columns: 1fr; }
  nav { position: static; max-height: 12rem; border-right: 0; border-bottom: 1px solid var(--line); } }
@media print {
  header, nav { position: static; } nav, #search, #count { display: none; } .page { display: block; }
  details { break-inside: avoid-page; } details::details-content { content-visibility: visible; block-size: auto; }
  pre { white-space: pre-wrap; } a { color: inherit; text-decoration: none; }
}
"""
_SCRIPT = """\
"use strict";
const box = document.getElementById("search"), count = document.getElementById("count");
const parts = [...document.querySelectorAll("main section")].map(section => ({
  section, head: section.previousElementSibling,
  entries: [...section.querySelectorAll(":scope > details")].map(entry => ({
    entry, link: document.querySelector(`nav a[href="#${CSS.escape(entry.id)}"]`),
    text: (entry.querySelector("summary").textContent + " " + (entry.querySelector(".lead")?.textContent ?? ""))
      .toLowerCase(),
    rows: [...entry.querySelectorAll("tbody tr")].map(row => ({row, text: row.textContent.toLowerCase()})),
  })),
}));
function mark(words) {
  if (!("highlights" in CSS)) return;
  CSS.highlights.delete("found");
  if (!words.length) return;
  const ranges = [];
  for (const {section, entries} of parts) for (const {entry} of entries) {
    if (entry.hidden) continue;
    const walker = document.createTreeWalker(entry, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && ranges.length < 3000; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      for (const word of words) {
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          const range = new Range();
          range.setStart(node, at); range.setEnd(node, at + word.length); ranges.push(range);
        }
      }
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}
function search() {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean), all = words.length === 0;
  let entriesFound = 0, rowsFound = 0;
  for (const {section, head, entries} of parts) {
    let any = false;
    for (const {entry, link, text, rows} of entries) {
      const whole = all || words.every(word => text.includes(word));
      let hits = 0;
      for (const {row, text: own} of rows) {
        const hit = words.every(word => own.includes(word) || (rows.length < 400 && text.includes(word)))
          && words.some(word => own.includes(word));
        row.hidden = !(all || hit || (whole && !rows.some(r => words.some(word => r.text.includes(word)))));
        hits += hit && !all;
      }
      const shown = whole || hits > 0;
      entry.hidden = !shown;
      if (link) link.parentElement.hidden = !shown;
      if (!all) entry.open = hits > 0 && hits < 60;
      else entry.open = false;
      any ||= shown; entriesFound += shown; rowsFound += hits;
    }
    section.hidden = head.hidden = !any;
  }
  for (const list of document.querySelectorAll("nav ul"))
    list.hidden = list.previousElementSibling.hidden = [...list.children].every(item => item.hidden);
  count.textContent = all ? "" : `${entriesFound} entries, ${rowsFound} lines`;
  mark(words);
}
let waiting;
box.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 80); });
document.addEventListener("keydown", event => {
  if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); box.select(); }
  if (event.key === "Escape" && box.value) { box.value = ""; search(); box.focus(); }
  if (event.key === "Enter" && document.activeElement === box) {
    clearTimeout(waiting); search();
    document.querySelector("main details:not([hidden]) > summary")?.focus();
  }
});
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) { box.value = ""; search(); }
  const holder = target.closest("details");
  if (holder) holder.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
document.querySelector("nav").addEventListener("click", event => {
  if (event.target.closest("a")) setTimeout(reveal);
});
addEventListener("beforeprint", () => {
  for (const entry of document.querySelectorAll("main details:not([hidden])")) entry.open = true;
});
const asked = new URLSearchParams(location.search).get("q");
if (asked) { box.value = asked; search(); }
reveal();
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Dictionary, release {{ release.release_id }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<header>
<h1>Dictionary</h1>
<label for="search" hidden>Search</label>
<input id="search" type="search" autocomplete="off" spellcheck="false" aria-label="Search the dictionary"
  placeholder="Search tables, columns, publishers' headers, definitions (press /)">
<p id="count" role="status"></p>
<p>Release {{ release.release_id }}, made {{ release.created_at[:10] }}
{%- if release.as_of %}, as of {{ release.as_of }}{% endif %}.
{{ tables | length }} tables, {{ n_columns }} columns, {{ definitions | length }} definitions,
{{ sources | length }} sources. As data: <a href="dictionary.json">dictionary.json</a>.</p>
</header>
<div class="page">
<nav aria-label="Contents">
{% for group in groups %}
<h2>{{ group.title }}</h2>
<ul>{% for table in group.tables %}<li><a href="#{{ table.schema }}.{{ table.table }}">{{ table.table }}</a></li>
{% endfor %}</ul>
{% endfor %}
<h2>More</h2>
<ul><li><a href="#definitions">Definitions</a></li><li><a href="#publishers">Publishers' columns</a></li></ul>
<h2>Sources</h2>
<ul>{% for source in sources %}<li><a href="#source.{{ source.source_code }}">{{ source.source_code }}</a></li>
{% endfor %}</ul>
</nav>
<main>
{% for group in groups %}
<h2>{{ group.title }}</h2>
<section>
{% for table in group.tables %}
<details id="{{ table.schema }}.{{ table.table }}">
<summary><code>{{ table.table }}</code>
<span class="what">{{ table.description.split(". ")[0] }}</span></summary>
<div class="lead"><p class="about">{{ table.description }}</p>
<dl>
<dt>Rows</dt><dd>{{ "{:,}".format(table.row_count) }}</dd>
{% if table.last_data_year %}<dt>Last data year</dt><dd>{{ table.last_data_year }}</dd>{% endif %}
{% if table.source_codes %}<dt>Sources</dt><dd>{% for code in table.source_codes.split(", ") -%}
<a href="#source.{{ code }}">{{ code }}</a>{{ ", " if not loop.last }}{% endfor %}</dd>
<dt>Licences</dt><dd>{{ table.licences }}</dd>{% endif %}
{% if table.definition_ids %}<dt>Definitions</dt><dd>{% for id in table.definition_ids.split(", ") -%}
<a href="#definition.{{ id }}">{{ id }}</a>{{ ", " if not loop.last }}{% endfor %}</dd>{% endif %}
{% if table.schema == "marts" %}<dt>Example</dt><dd><pre>{{ table.example_sql }}</pre></dd>{% endif %}
</dl></div>
<div class="scroll"><table>
<thead><tr><th scope="col">Column</th><th scope="col">Type</th><th scope="col">Unit</th><th scope="col">Meaning</th>
</tr></thead>
<tbody>
{% for column in table.columns %}
<tr id="{{ table.schema }}.{{ table.table }}.{{ column.name }}"><td><code>{{ column.name }}</code>
{%- if column.name in table.key_list %} <span class="key">key</span>{% endif %}</td>
<td class="type">{{ column.type | lower }}</td><td>{{ column.unit or "" }}</td>
<td>{{ column.description }}
{%- if column.allowed_values %} <span class="from">One of: {{ column.allowed_values }}.</span>{% endif %}
{%- if column.read_from %} <span class="from">From {{ column.read_from | join("; ") }}.</span>{% endif %}</td>
</tr>
{% endfor %}
</tbody>
</table></div>
</details>
{% endfor %}
</section>
{% endfor %}
<h2>Definitions</h2>
<section>
<details id="definitions"><summary><code>vocabulary.definition</code>
<span class="what">Every definition that a figure may rest on, with its author.</span></summary>
<div class="scroll"><table>
<thead><tr><th scope="col">Definition</th><th scope="col">Sentence</th><th scope="col">Author</th></tr></thead>
<tbody>
{% for entry in definitions %}
<tr id="definition.{{ entry.definition_id }}"><td><code>{{ entry.definition_id }}</code></td>
<td><strong>{{ entry.title }}.</strong> {{ entry.sentence }}</td>
<td>{% if entry.source_url %}<a href="{{ entry.source_url }}" rel="noreferrer">{{ entry.author }}</a>
{%- else %}{{ entry.author }}{% endif %}</td></tr>
{% endfor %}
</tbody>
</table></div></details>
</section>
<h2>Publishers' columns</h2>
<section>
<details id="publishers"><summary><code>catalog.source_to_mart</code>
<span class="what">Where a publisher's header leads.</span></summary>
<div class="scroll"><table>
<thead><tr><th scope="col">Publisher's column</th><th scope="col">Source</th><th scope="col">Column of facts</th>
<th scope="col">Marts</th></tr></thead>
<tbody>
{% for entry in publisher_columns %}
<tr><td><code>{{ entry.publisher_column }}</code></td>
<td><a href="#source.{{ entry.source_code }}">{{ entry.source_code }}</a></td><td><code>{{ entry.facts }}</code></td>
<td>{{ entry.marts }}</td></tr>
{% endfor %}
</tbody>
</table></div></details>
</section>
<h2>Sources</h2>
<section>
{% for source in sources %}
<details id="source.{{ source.source_code }}"><summary><code>{{ source.source_code }}</code>
<span class="what">{{ source.publisher }}: {{ source.title }}</span></summary>
<div class="lead"><p class="about"><strong>{{ source.title }}.</strong> {{ source.description }}</p>
<dl>
<dt>Publisher</dt><dd><a href="{{ source.landing_page }}" rel="noreferrer">{{ source.publisher }}</a></dd>
<dt>Licence</dt><dd>{% if source.licence_url %}<a href="{{ source.licence_url }}" rel="noreferrer">
{{- source.licence_name }}</a>{% else %}{{ source.licence_name }}{% endif %} ({{ source.redistribution }})</dd>
<dt>Cite as</dt><dd>{{ source.citation }}</dd>
<dt>In this release</dt><dd>{{ "{:,}".format(source.row_count) }} rows
{%- if source.last_data_year %}, {{ source.first_data_year }} to {{ source.last_data_year }}{% endif %}
{%- if source.published_on %}; edition of {{ source.published_on }}{% endif %}</dd>
{% if source.caveats %}<dt>To mind</dt><dd>{% for text in source.caveats.split(" | ") %}<p>{{ text }}</p>
{% endfor %}</dd>{% endif %}
</dl></div>
</details>
{% endfor %}
</section>
</main>
</div>
<script>{{ script | safe }}</script>
</body>
</html>
"""


def write(folder: Path, dictionary: dict[str, Any], schemas: dict[str, str]) -> None:
    """Write the dictionary of a release (`orchestration.dictionary.content`) as a page and as JSON into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(page(dictionary, schemas), encoding="utf-8")
    data = {"release_id": dictionary["release"]["release_id"], "schemas": schemas, **dictionary}
    (folder / DATA).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def page(dictionary: dict[str, Any], schemas: dict[str, str]) -> str:
    """The page as text; every table by theme, marts first."""
    tables = [{**table, "key_list": (table.get("key_columns") or "").split(", ")} for table in dictionary["tables"]]
    themes = [theme for theme in _THEMES if any(table.get("theme") == theme for table in tables)]
    themes += sorted({t["theme"] for t in tables if t.get("theme") and t["theme"] not in _THEMES})
    groups = [
        {
            "title": _THEMES.get(theme, theme.replace("_", " ").capitalize()),
            "tables": [table for table in tables if table.get("theme") == theme],
        }
        for theme in themes
    ]
    for schema in schemas:
        rest = [table for table in tables if table["schema"] == schema and not table.get("theme")]
        if rest:
            groups.append({"title": f"Schema {schema}", "tables": rest})
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_PAGE)
    return template.render(
        style=_STYLE,
        script=_SCRIPT,
        groups=groups,
        n_columns=sum(len(table["columns"]) for table in tables),
        **{**dictionary, "tables": tables},
    )
