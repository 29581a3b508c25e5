"""Data Docs that can be read without a network.

Great Expectations renders what was expected and found; its own pages load scripts, styles and a logo from other
hosts and build their index in the browser. Here its rendered sections stand in plain pages of our own, with one
style sheet beside them:

    <docs_dir>/index.html             every stage that was run, and what did not pass
    <docs_dir>/data_docs.css
    <docs_dir>/<stage>/<table>.html   every expectation of a table
    <docs_dir>/<stage>/summary.json   from which index.html is made anew when another stage is run
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import Environment, Template

from data_quality.specs import Stage
from ingest.archive import write_atomically

if TYPE_CHECKING:
    from data_quality.runner import CheckResult

STYLE_SHEET = "data_docs.css"

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 1.5rem;
  max-width: 75rem; }
h1 { font-size: 1.5rem; margin: .2rem 0 1rem; }
h2, h5 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; }
a { color: #0550ae; }
table { border-collapse: collapse; width: 100%; margin: .3rem 0 .8rem; }
th, td { border: 1px solid #d0d7de; padding: .35rem .6rem; text-align: left; vertical-align: top; }
th { background: #f6f8fa; font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: .85em/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.passed, .text-success { color: #1a7f37; }
.warn, .text-warning { color: #9a6700; }
.fail, .text-danger { color: #cf222e; }
.badge { border: 1px solid #d0d7de; border-radius: .7em; padding: 0 .5em; background: #f6f8fa; }
.fa-check-circle::before { content: "\\2713 passed"; font-style: normal; }
.fa-times::before, .fa-exclamation-triangle::before { content: "\\2717 not met"; font-style: normal; }
.collapse { display: none; }
.collapse:target { display: block; }
.ge-section td { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117; }
  a { color: #79c0ff; }
  th, .badge { background: #161b22; }
  th, td, .badge { border-color: #30363d; }
  .passed, .text-success { color: #56d364; }
  .warn, .text-warning { color: #e3b341; }
  .fail, .text-danger { color: #ff7b72; }
}
"""

_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="stylesheet" href="{{ root }}data_docs.css">
</head>
<body>
"""

_TABLE_PAGE = (
    _HEAD
    + """\
<p><a href="../index.html">All tables</a></p>
<h1>{{ title }}</h1>
<p>{{ entry.rows }} rows, {{ entry.checks }} checks: <span class="passed">{{ entry.passed }} passed</span>
{%- if entry.no_rows %} ({{ entry.no_rows }} of them over no rows){% endif -%}
{%- if entry.warned %}, <span class="warn">{{ entry.warned }} warned</span>{% endif -%}
{%- if entry.failed %}, <span class="fail">{{ entry.failed }} failed</span>{% endif %}.</p>
{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}
</body>
</html>
"""
)

_INDEX_PAGE = (
    _HEAD
    + """\
<h1>{{ title }}</h1>
{% for stage in stages %}
<h2>Stage {{ stage.stage }}</h2>
<p>Checked {{ stage.checked_at }}.</p>
<table>
<thead><tr><th>Table</th><th class="number">Rows</th><th class="number">Checks</th><th class="number">Passed</th>
<th class="number">of them over no rows</th><th class="number">Warned</th><th class="number">Failed</th></tr></thead>
<tbody>
{% for entry in stage.tables %}
<tr><td>{% if entry.page %}<a href="{{ stage.stage }}/{{ entry.page }}">{{ entry.table }}</a>
{%- else %}{{ entry.table }}{% endif %}</td>
<td class="number">{{ entry.rows }}</td><td class="number">{{ entry.checks }}</td>
<td class="number passed">{{ entry.passed }}</td><td class="number">{{ entry.no_rows or "" }}</td>
<td class="number warn">{{ entry.warned or "" }}</td><td class="number fail">{{ entry.failed or "" }}</td></tr>
{% endfor %}
</tbody>
</table>
{% if stage.not_passed %}
<h2>What did not pass in stage {{ stage.stage }}</h2>
<table>
<thead><tr><th>Check</th><th>Severity</th><th>Expected</th><th>Found</th><th>Examples</th></tr></thead>
<tbody>
{% for check in stage.not_passed %}
<tr><td><code>{{ check.check_id }}</code></td><td class="{{ check.severity }}">{{ check.severity }}</td>
<td>{{ check.description }}</td><td>{{ check.found }}</td><td><code>{{ check.examples or "" }}</code></td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p class="passed">Every check of stage {{ stage.stage }} passed.</p>
{% endif %}
{% endfor %}
</body>
</html>
"""
)


def build_docs(docs_dir: Path, stage: Stage, results: Sequence[CheckResult], validations: Iterable[Any]) -> Path:
    """Write the Data Docs of a stage and the index over all stages below `docs_dir`; returns the index.

    `validations` are Great Expectations' own records, one per table that could be checked; a table without one
    appears in the index only.
    """
    pages = {validation.suite_name: validation for validation in validations}
    folder = docs_dir / stage
    entries = []
    for (schema, table), group in groupby(results, key=lambda result: (result.table_schema, result.table_name)):
        validation = pages.get(f"{schema}.{table}")
        # A table whose checks were not all run again keeps its page.
        has_page = validation is not None or (folder / f"{table}.html").exists()
        entry = _entry(f"{schema}.{table}", list(group), page=f"{table}.html" if has_page else None)
        entries.append(entry)
        if validation is not None:
            write_atomically(folder / f"{table}.html", _table_page(entry, validation).encode())
    summary = {
        "stage": stage,
        "checked_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "tables": entries,
        "not_passed": [
            {
                "check_id": result.check_id,
                "severity": result.severity,
                "description": result.description,
                "found": result.exception or result.observed_value,
                "examples": result.examples,
            }
            for result in results
            if not result.success
        ],
    }
    write_atomically(folder / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False).encode())
    write_atomically(docs_dir / STYLE_SHEET, _STYLE.encode())
    stages = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(docs_dir.glob("*/summary.json"))]
    template = Environment(autoescape=True).from_string(_INDEX_PAGE)
    index = docs_dir / "index.html"
    write_atomically(index, template.render(title="Data Docs", root="", stages=stages).encode())
    return index


def _entry(name: str, results: Sequence[CheckResult], page: str | None) -> dict[str, Any]:
    from data_quality.runner import NO_ROWS

    failed = [result for result in results if not result.success]
    rows = max((result.element_count or 0 for result in results), default=0)
    return {
        "table": name,
        "page": page,
        "rows": f"{rows:,}",
        "checks": len(results),
        "passed": len(results) - len(failed),
        "no_rows": sum(result.observed_value == NO_ROWS for result in results),
        "warned": sum(result.severity == "warn" for result in failed),
        "failed": sum(result.severity == "fail" for result in failed),
    }


def _table_page(entry: dict[str, Any], validation: Any) -> str:
    """Page of one table: our head and counts, Great Expectations' sections without its overview."""
    document = ValidationResultsPageRenderer().render(validation).to_json_dict()
    sections = _escape(document["sections"][1:])
    return _table_template().render(title=entry["table"], root="../", entry=entry, sections=sections)


@cache
def _table_template() -> Template:
    """The page's template; Great Expectations' own, which it includes, are compiled once and kept with it."""
    template: Template = DefaultJinjaPageView().env.from_string(_TABLE_PAGE)
    return template


def _escape(node: Any) -> Any:
    """Escape what Great Expectations renders as it stands: plain table cells and tracebacks.

    Both may quote publishers' values; parameters of its sentences it escapes itself.
    """
    if isinstance(node, list):
        return [_escape(item) for item in node]
    if not isinstance(node, dict):
        return node
    escaped = {key: _escape(value) for key, value in node.items()}
    if node.get("content_block_type") == "table":
        escaped["table"] = [
            [html.escape(cell) if isinstance(cell, str) else cell for cell in row] for row in escaped["table"]
        ]
    elif "template" in node:
        escaped["template"] = html.escape(str(node["template"]), quote=False)
    return escaped
