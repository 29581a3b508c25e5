"""Building only what a change reaches: what a work file was built from, and what of it is stale.

A published work file is kept with the basis that it stands on: a digest of the code, and one of each relation of the
lake. The next run compares. If the code is the same (models, suites, vocabulary, contracts, engines, settings), the
work file is brought up to date where it stands: lake relations that changed, the models downstream of them, and the
expectations that look at either. Everything else keeps its tables and its results. In every other case, and if the
file is not as it was left, all is made anew.

The basis is taken away before the file is touched and written when a release of it stands, so that a run that fails
or dies is followed by one that trusts nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from ingest import workfile
from ingest.archive import write_atomically
from ingest.lake import Lake, contracts
from ingest.settings import Settings
from orchestration import fingerprint

EDITION = "lake.edition"
QUARANTINE = "lake.quarantine"
ACCOUNT = "lake.file_account"

_RELATION = re.compile(r"\b(?:lake|vocabulary|staging|intermediate|marts|quality)\.[a-z_][a-z0-9_]*")
_TODAY = re.compile(r"\b(?:current_date|now\s*\(|today\s*\(|current_timestamp)", re.IGNORECASE)


@dataclass(frozen=True)
class Basis:
    """What a work file is built from: digests of the code and of each lake relation, and the day."""

    code: str
    day: str
    relations: dict[str, str]

    def changed(self, now: Basis) -> set[str]:
        """Lake relations that are not what they were."""
        names = {*self.relations, *now.relations}
        return {name for name in names if self.relations.get(name) != now.relations.get(name)}


def basis(settings: Settings, *, as_of: date | None = None) -> Basis:
    """What a work file would be built from now."""
    store = Lake(settings.lake)
    editions = workfile.editions_in(settings, as_of=as_of)
    known = {edition.edition_id for edition in editions}
    relations: dict[str, str] = {}
    rows = workfile.edition_frame(editions)
    relations[EDITION] = _digest(rows.write_csv())
    for name in contracts():
        # Which editions staging takes depends on the other editions of the table as well.
        described = rows.filter(rows["table_name"] == name).write_csv()
        files = []
        for edition in editions:
            for load in edition.tables:
                if load.table_name == name:
                    content = load.sha256
                    if content is None:
                        about = (settings.lake / load.file).stat()
                        content = f"{about.st_size} {about.st_mtime_ns}"
                    files.append(f"{load.file} {content}")
        relations[f"lake.{name}"] = _digest(described, *files)
    relations[ACCOUNT] = _digest(workfile.account_frame(editions).write_csv())
    relations[QUARANTINE] = _digest(workfile.quarantine_frame(store, known).write_csv())
    return Basis(
        code=fingerprint.of_code(settings, as_of=as_of), day=datetime.now(UTC).date().isoformat(), relations=relations
    )


def kept(settings: Settings) -> Basis | None:
    """What the work file stands on, or None if it is not the file that was published last, as it was left."""
    try:
        raw: dict[str, Any] = json.loads(_path(settings).read_text(encoding="utf-8"))
        if raw.pop("file") != _stamp(settings):
            return None
        return Basis(**raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep(settings: Settings, found: Basis) -> None:
    """Remember what the work file stands on; it has passed everything and was published."""
    write_atomically(_path(settings), json.dumps({**asdict(found), "file": _stamp(settings)}, indent=1).encode())


def forget(settings: Settings) -> None:
    """From here on the work file may be anything: the next run starts from the lake."""
    _path(settings).unlink(missing_ok=True)


def stale_models(manifest: Mapping[str, Any], changed: Collection[str]) -> set[str]:
    """Ids of the models and tests that lie downstream of changed lake relations, from dbt's manifest.

    Staging reads the editions through a macro that asks for the rows of its own table; such a model is stale when
    that table is, and not whenever any edition is new.
    """
    nodes: Mapping[str, Any] = manifest["nodes"]
    name_of = {key: f"{node['source_name']}.{node['name']}" for key, node in manifest["sources"].items()}
    parents: Mapping[str, list[str]] = manifest["parent_map"]
    stale: set[str] = {key for key, name in name_of.items() if name in changed}

    def reached(key: str) -> bool:
        by = [parent for parent in parents.get(key, ()) if parent in stale]
        text = str(nodes[key].get("raw_code") or "") if key in nodes else ""
        if key in nodes and not re.search(r"source\(\s*'lake'\s*,\s*'edition'\s*\)", text):
            by = [parent for parent in by if name_of.get(parent) != EDITION]
        return bool(by)

    waiting = True
    while waiting:
        found = {key for key in nodes if key not in stale and reached(key)}
        stale |= found
        waiting = bool(found)
    return {key for key in stale if key in nodes}


def relations_of(manifest: Mapping[str, Any], ids: Iterable[str]) -> set[str]:
    """Relations, as schema.name, that models make."""
    nodes = manifest["nodes"]
    return {f"{nodes[i]['schema']}.{nodes[i]['alias']}" for i in ids if nodes[i]["resource_type"] == "model"}


def is_stale(table: str, text: str, stale: Collection[str], *, is_new_day: bool) -> bool:
    """Whether a check of a relation has to run again: it or what its query reads is stale, or it asks for the day."""
    if table in stale or (is_new_day and _TODAY.search(text)):
        return True
    read = set(_RELATION.findall(text))
    if f"table_name = '{table.partition('.')[2]}'" in text:
        read.discard(EDITION)
    return bool(read & set(stale))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stamp(settings: Settings) -> list[int]:
    about = settings.work_file.stat()
    return [about.st_size, about.st_mtime_ns]


def _path(settings: Settings) -> Any:
    return settings.work / "basis.json"
