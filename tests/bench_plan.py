"""The SQL that dbt compiled, in the order in which a bare script can run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingest.settings import Settings
from orchestration import pipeline


def compiled(settings: Settings, marts: str | None = None) -> list[dict[str, Any]]:
    """Models of an installation that was built, after what they read; with `marts`, what that folder's marts need."""
    manifest = json.loads(pipeline.dbt_manifest(settings).read_text(encoding="utf-8"))
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    parents = {key: [name for name in manifest["parent_map"][key] if name in nodes] for key in nodes}
    wanted = [key for key, node in nodes.items() if node["schema"] == "marts" and (not marts or marts in node["fqn"])]
    ordered: list[str] = []

    def add(key: str) -> None:
        if key not in ordered:
            for parent in parents[key]:
                add(parent)
            ordered.append(key)

    for key in sorted(wanted):
        add(key)
    folder = settings.work / "dbt" / "target" / "compiled" / "biopharma"
    return [
        {
            "schema": node["schema"],
            "name": node["alias"],
            "language": node["language"],
            "materialized": node["config"]["materialized"],
            "config": node["config"],
            "sql": node["raw_code"]
            if node["language"] == "python"
            else (folder / node["original_file_path"]).read_text(encoding="utf-8"),
        }
        for node in (nodes[key] for key in ordered)
    ]


def write(settings: Settings, path: Path, marts: str | None = None) -> Path:
    """Write a plan as JSON; returns its path."""
    path.write_text(json.dumps(compiled(settings, marts)), encoding="utf-8")
    return path
