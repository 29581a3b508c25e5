"""Loading an edition: gate, parse, conform, commit.

The pipeline, the command line and the tests call these same functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ingest import corrections, gates, lake, vocabulary
from ingest import edition as bundled
from ingest.archive import Archive, copy_atomically, sha256_of, write_atomically
from ingest.errors import ContractError, GateError, IngestError, SourceError
from ingest.intake import Intake
from ingest.lake import Edition, Lake, Staged
from ingest.settings import Settings
from ingest.source import Parsed, Source, SourceFile

_DEFAULTS = {"status": "reported", "value_origin": "publisher_bytes", "series_break": False}


def load_bundled(settings: Settings, source: Source, *, force: bool = False) -> list[Edition]:
    """Load a source's share of the bundled edition; returns the commit records, oldest first.

    Only fetch and parse are skipped: contract, quarantine and commit are those of a live load. An edition
    whose rows and rules are unchanged is not written again unless `force` is set or its files are gone or damaged.
    """
    store = Lake(settings.lake)
    fingerprint = _fingerprint(source)
    records = []
    for part in bundled.read(source):
        known = store.edition(source.code, part.edition_id)
        if known and known.fingerprint == fingerprint and not force and store.holds(known):
            records.append(known)
            continue
        edition = Edition(
            source_code=source.code,
            edition_id=part.edition_id,
            partition=part.partition,
            published_on=part.published_on.isoformat(),
            ingested_at=part.ingested_at.isoformat(),
            is_bundled=True,
            fingerprint=fingerprint,
            files=tuple(part.files),
        )
        with Intake(store, edition) as intake:
            intake.count(part.row_count, {})
            for name, frame in part.tables.items():
                intake.add(name, frame)
            records.append(store.publish(edition, intake.finish()))
    return records


def load_files(
    settings: Settings,
    source: Source,
    paths: Sequence[Path],
    *,
    published_on: date | None = None,
    urls: dict[str, str] | None = None,
    force: bool = False,
    accept_changes: bool = False,
) -> Edition:
    """Archive, gate, parse and commit the files of one edition; returns its commit record.

    A file that fails its gate, or an edition that cannot be parsed, is put into quarantine whole with the
    reason and the error is raised again; the editions before it stand. A path without a file is a slip of whoever
    typed it: SourceError says so, and nothing is kept.
    """
    archive = Archive(settings.archive)
    for path in paths:
        _require_file(path)
    try:
        found = in_hand(source, paths)
    except IngestError as error:
        quarantine_files(settings, source, {path.name: path for path in paths}, error)
        raise
    files = [
        archive.put(
            source, file.path, published_on=published_on, url=(urls or {}).get(file.name), sha256=file.sha256
        )[0]
        for file in found
    ]
    return load_archived(
        settings, source, files, published_on=published_on, force=force, accept_changes=accept_changes
    )


def load_archived(
    settings: Settings,
    source: Source,
    files: Sequence[SourceFile],
    *,
    published_on: date | None = None,
    force: bool = False,
    accept_changes: bool = False,
) -> Edition:
    """Parse and commit archived files as one edition; returns its commit record.

    New files are first compared with the last edition (size, header), and what was parsed with the partition that
    it would replace. What is noticed stands in the record's `warnings`; what blocks raises GateError, unless
    `accept_changes` says that somebody has looked, and is a warning then.

    Files that hold their own history make an edition of every state; the record returned is the newest one's. The
    date of publication is the one that the content tells, else `published_on`, else the sidecar's, else the
    day of the fetch, which a clock that was set back does not put before the last edition's. Files that are
    committed already under the same rules are not parsed again unless `force` is set, another day of publication is
    given, or their rows are gone or damaged. An edition that cannot be parsed goes into quarantine whole and the
    error is raised again.
    """
    store = Lake(settings.lake)
    fingerprint = _fingerprint(source)
    hashes = sorted(file.sha256 for file in files)
    earlier = [
        edition
        for edition in store.editions()
        if edition.source_code == source.code
        and not edition.is_bundled
        and sorted(entry["sha256"] for entry in edition.files) == hashes
    ]
    is_redated = bool(published_on and earlier and published_on.isoformat() != earlier[-1].published_on)
    if not force and not is_redated and _stand(store, earlier, fingerprint):
        return earlier[-1]
    staged: dict[str, tuple[Edition, Staged]] = {}
    try:
        findings = [] if earlier else _compared(Archive(settings.archive), store, source, files)
        _stop_at(findings, accept_changes)
        parsed = parse_files(source, files)
        days = _Days(store, source, files, published_on, earlier)
        ingested_at = days.ingested_at(max(file.fetched_at or datetime.now(UTC) for file in files))
        states = {edition_id_of(state, days.of(state), hashes): state for state in parsed.states}
        _require_distinct(source, states, parsed)
        known = {edition_id: store.edition(source.code, edition_id) for edition_id in states}
        for edition_id, state in states.items():
            if not force and state.identity and _stands(store, known[edition_id], fingerprint):
                continue
            edition = Edition(
                source_code=source.code,
                edition_id=edition_id,
                partition=state.partition,
                published_on=days.of(state).isoformat(),
                ingested_at=ingested_at.isoformat(),
                is_bundled=False,
                fingerprint=fingerprint,
                files=tuple({"name": f.name, "sha256": f.sha256, "url": f.url} for f in files),
            )
            staged[edition_id] = edition, _take_in(store, source, edition, state, files)
        if not earlier:
            for edition_id, (edition, rows) in staged.items():
                found = [
                    gates.continuity(edition.partition, _partitions(store, source)),
                    _replaced(store, source, edition, rows),
                    days.finding(states[edition_id]),
                ]
                _stop_at([finding for finding in found if finding], accept_changes)
                findings += [finding for finding in found if finding]
    except BaseException as error:
        for _, rows in staged.values():
            rows.discard()
        if isinstance(error, IngestError):
            quarantine_files(settings, source, {file.name: file.path for file in files}, error)
        raise
    warnings = earlier[-1].warnings if earlier else tuple(dict.fromkeys(finding.text for finding in findings))
    records = {edition_id: record for edition_id, record in known.items() if record}
    waiting = dict(staged)
    try:
        for edition_id, (edition, rows) in staged.items():
            completes = edition_id == next(reversed(staged))
            records[edition_id] = store.publish(replace(edition, warnings=warnings, completes=completes), rows)
            del waiting[edition_id]
    finally:
        for _, rows in waiting.values():
            rows.discard()
    for old in earlier:
        # The same bytes read by newer rules: their rows replace the older reading, they do not stand beside it.
        if old.edition_id not in records:
            store.withdraw(old)
    return records[next(reversed(states))]


def _require_distinct(source: Source, states: dict[str, Parsed], parsed: Parsed) -> None:
    if len(states) < len(parsed.states):
        raise SourceError(
            f"{source.code} yields two editions with the same id", remedy="Give each state a date or an identity."
        )


def load_all(settings: Settings, source: Source, *, force: bool = False) -> list[Edition]:
    """Bring a source's committed editions up to date without fetching; returns their records.

    Loads the bundled share, and parses archived live editions again whose parser, contract or vocabulary changed.
    """
    records = load_bundled(settings, source, force=force)
    store, archive, fingerprint = Lake(settings.lake), Archive(settings.archive), _fingerprint(source)
    for edition, states in _live_groups(store, source):
        if not force and _stand(store, states, fingerprint):
            # The bytes are not needed, and whether they are still there is not asked.
            records.append(edition)
            continue
        files = [archive.get(source.code, entry["sha256"]) for entry in edition.files]
        published = date.fromisoformat(edition.published_on)
        records.append(load_archived(settings, source, files, published_on=published, force=force))
    return records


def _live_groups(store: Lake, source: Source) -> list[tuple[Edition, list[Edition]]]:
    """For each set of files the newest edition, and all that were read from them."""
    by_files: dict[tuple[str, ...], list[Edition]] = {}
    for edition in store.editions():
        if edition.source_code == source.code and not edition.is_bundled:
            by_files.setdefault(tuple(sorted(entry["sha256"] for entry in edition.files)), []).append(edition)
    return [(states[-1], states) for states in by_files.values()]


def in_hand(source: Source, paths: Sequence[Path]) -> list[SourceFile]:
    """Files that somebody has at hand, gated but not archived; raises GateError."""
    files = []
    for path in paths:
        files.append(_in_hand(path))
        gates.check(source.spec, files[-1])
    return files


def parse_files(source: Source, files: Sequence[SourceFile]) -> Parsed:
    """Parse the files of one edition; an error of a library below the parser becomes a named error."""
    parsed = next(_named_errors(source, files, (source.parse(given) for given in [files])))
    _require_known_tables(source, parsed.states)
    return parsed


def _named_errors(source: Source, files: Sequence[SourceFile], parts: Iterator[Parsed]) -> Iterator[Parsed]:
    """The parts as they come; an error of a library below the parser becomes a named error."""
    try:
        for part in parts:
            _require_known_tables(source, [part])
            yield part
    except IngestError:
        raise
    except Exception as error:
        raise SourceError(
            f"the parser of {source.code} failed ({type(error).__name__}: {error})",
            file=", ".join(file.name for file in files),
            remedy="The layout is probably new: compare it with the parser, and extend the parser.",
        ) from error


def _require_known_tables(source: Source, parts: Sequence[Parsed]) -> None:
    unknown = {table for part in parts for table in part.tables} - set(source.spec.tables)
    if unknown:
        raise SourceError(
            f"{source.code} yields {', '.join(sorted(unknown))}, which its source.yml does not name",
            remedy="Add the table to source.yml.",
        )


def conform_all(
    source: Source, parsed: Parsed, *, edition_id: str, published_on: date, ingested_at: datetime
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame, dict[str, int]]:
    """Complete the lineage of parsed rows and check them; returns rows by table, rejected rows, dropped counts.

    All batches are held in memory. What goes into the lake goes through :class:`ingest.intake.Intake` instead.
    """
    frames: dict[str, list[pl.DataFrame]] = {}
    rejected: list[pl.DataFrame] = []
    dropped: dict[str, int] = {}
    completion = _Completion(
        source,
        edition_id=edition_id,
        partition=parsed.partition,
        published_on=published_on,
        ingested_at=ingested_at,
    )
    for batch in parsed.batches():
        rejected += [] if batch.rejected is None else [_rejected(batch.rejected)]
        for rule, count in batch.dropped.items():
            dropped[rule] = dropped.get(rule, 0) + count
        for name, frame in batch.tables.items():
            frames.setdefault(name, []).append(completion.rows(name, frame))
    completion.close()
    tables: dict[str, pl.DataFrame] = {}
    for name, parts in frames.items():
        result = lake.conform(name, parts[0] if len(parts) == 1 else pl.concat(parts))
        tables[name] = result.rows
        rejected.append(result.rejected)
        dropped |= {f"{name}.{rule}": count for rule, count in result.dropped.items()}
    return tables, pl.concat([pl.DataFrame(schema=lake.REJECTED_SCHEMA), *rejected]), dropped


def _take_in(store: Lake, source: Source, edition: Edition, state: Parsed, files: Sequence[SourceFile]) -> Staged:
    """Write the rows of a parsed state, batch by batch, without committing them."""
    completion = _Completion(
        source,
        edition_id=edition.edition_id,
        partition=edition.partition,
        published_on=date.fromisoformat(edition.published_on),
        ingested_at=datetime.fromisoformat(edition.ingested_at),
    )
    with Intake(store, edition) as intake:
        for batch in _named_errors(source, files, state.batches()):
            intake.count(batch.rows_read, batch.dropped)
            if batch.rejected is not None:
                intake.reject(_rejected(batch.rejected))
            for name, frame in batch.tables.items():
                intake.add(name, completion.rows(name, frame), frame)
        completion.close()
        staged = intake.finish()
        if intake.first_rejected and staged.rejected and not any(part.row_count for part in staged.tables.values()):
            # Such an edition would hide the one before.
            reason, place = intake.first_rejected
            raise ContractError(
                f"none of {staged.rejected.row_count:,} rows can be used; the first: {reason} ({place})",
                file=", ".join(file.name for file in files),
                remedy=f"Compare the file with the parser of {source.code}; the editions before it stand.",
            )
        return staged


class _Completion:
    """What makes parsed rows of one edition canonical: the source's corrections, and the lineage of the edition."""

    def __init__(
        self, source: Source, *, edition_id: str, partition: str, published_on: date, ingested_at: datetime
    ) -> None:
        self._source = source
        self._partition = partition
        self._published_on = pl.lit(published_on)
        self._lineage = {
            "source_code": pl.lit(source.code),
            "edition_id": pl.lit(edition_id),
            "edition_partition": pl.lit(partition),
            "ingested_at": pl.lit(ingested_at).cast(pl.Datetime("us", "UTC")),
        }
        self._ledgers: dict[str, corrections.Ledger] = {}

    def rows(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Parsed rows of a table, corrected and completed."""
        if table not in self._ledgers:
            self._ledgers[table] = corrections.Ledger(self._source, table)
        frame = self._ledgers[table].apply(frame)
        # A curated table states a date per row, that of the row's own document.
        stated = [pl.col("published_on")] if "published_on" in frame.columns else []
        return frame.with_columns(
            **self._lineage,
            published_on=pl.coalesce(*stated, self._published_on),
            **{key: pl.lit(value) for key, value in _DEFAULTS.items() if key not in frame.columns},
        )

    def close(self) -> None:
        """Raise SourceError where a correction has matched no row."""
        for ledger in self._ledgers.values():
            ledger.close(partition_is_complete=self._partition == "all")


def quarantine_files(settings: Settings, source: Source, files: dict[str, Path], error: IngestError) -> Path:
    """Copy files (by publisher's name) into quarantine with the reason; returns the folder."""
    present = {name: path for name, path in files.items() if path.exists()}
    digest = hashlib.sha256("".join(sorted(sha256_of(path) for path in present.values())).encode()).hexdigest()
    folder = settings.quarantine / source.code / digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in present.items():
        copy_atomically(path, folder / name)
    reason = {
        "source_code": source.code,
        "files": sorted(files),
        "error": type(error).__name__,
        "reason": error.text,
        "remedy": error.remedy,
        "quarantined_at": datetime.now(UTC).isoformat(),
    }
    write_atomically(folder / "reason.json", json.dumps(reason, indent=2, ensure_ascii=False).encode())
    return folder


def edition_id_of(parsed: Parsed, published_on: date, hashes: Sequence[str]) -> str:
    """Id of the edition that a parsed state makes: from its identity where it has one, else from files' hashes."""
    return make_edition_id(published_on, hashes if parsed.identity is None else [parsed.identity])


def _compared(archive: Archive, store: Lake, source: Source, files: Sequence[SourceFile]) -> list[gates.Finding]:
    """What size and header of files say against the same files of the source's last live edition that has them."""
    before: dict[str, Path] = {}
    live = [edition for edition in store.editions() if edition.source_code == source.code and not edition.is_bundled]
    for edition in sorted(live, key=lambda e: e.ingested_at):
        for entry in edition.files:
            try:
                key = gates.comparable_name(gates.gate_for(source.spec, entry["name"]), entry["name"])
            except GateError:
                # The gates have changed since: a file of that name is no longer taken.
                continue
            if path := archive.find(entry["sha256"]):
                before[key] = path
    return [
        finding
        for file in files
        for last in [before.get(gates.comparable_name(gates.gate_for(source.spec, file.name), file.name))]
        if last and last.name != file.sha256
        for finding in gates.compare(source.spec, file.name, file.path, last)
    ]


def _replaced(store: Lake, source: Source, edition: Edition, rows: Staged) -> gates.Finding | None:
    """What `keeps` of `source.yml` says against the present edition of the partition, if it would be replaced."""
    present = [e for e in store.editions() if e.source_code == source.code and e.partition == edition.partition]
    if not source.spec.keeps or not present or present[-1].published_on > edition.published_on:
        return None
    names = {entry["sha256"]: entry["name"] for entry in present[-1].files}
    missing: dict[str, list[str]] = {}
    for load in present[-1].tables:
        columns = list(source.spec.keeps.get(load.table_name, ()))
        if not columns:
            continue
        before = _distinct(store.root / load.file, [*columns, "file_sha256"])
        staged = rows.tables.get(load.table_name)
        now = before.select(columns).clear() if staged is None else _distinct(staged.temporary, columns)
        gone = before.join(now, on=columns, how="anti", nulls_equal=True).sort(columns)
        for *part, sha256 in gone.select(*columns, "file_sha256").rows():
            key = " ".join(str(value) for value in part if value is not None)
            missing.setdefault(key, []).append(names.get(sha256, sha256[:12]))
    return gates.kept(edition.partition, missing)


def _distinct(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    return pl.scan_parquet(path).select(columns).unique().collect(engine="streaming")


def _partitions(store: Lake, source: Source) -> set[str]:
    return {edition.partition for edition in store.editions() if edition.source_code == source.code}


def _stop_at(findings: Sequence[gates.Finding], accept_changes: bool) -> None:
    """Raise the first finding that blocks, unless what blocks has been accepted."""
    for finding in findings:
        if finding.blocks and not accept_changes:
            raise finding.error()


def _stands(store: Lake, known: Edition | None, fingerprint: str) -> bool:
    """Whether an edition was read by the present rules and its files are whole."""
    return known is not None and known.fingerprint == fingerprint and store.holds(known)


def _stand(store: Lake, known: Sequence[Edition], fingerprint: str) -> bool:
    """Whether all that files hold was committed by the present rules, and is whole."""
    return any(edition.completes for edition in known) and all(
        _stands(store, edition, fingerprint) for edition in known
    )


class _Days:
    """Days of publication of the states of some files."""

    def __init__(
        self,
        store: Lake,
        source: Source,
        files: Sequence[SourceFile],
        stated: date | None,
        earlier: Sequence[Edition],
    ) -> None:
        self.is_stated = stated is not None or any(file.published_on for file in files)
        self.fallback = stated or max(_fetched_on(file) for file in files)
        live = [e for e in store.editions() if e.source_code == source.code and not e.is_bundled]
        self.earlier = {e.partition: date.fromisoformat(e.published_on) for e in earlier}
        self.newest = {
            e.partition: date.fromisoformat(e.published_on) for e in sorted(live, key=lambda e: e.published_on)
        }
        known = [datetime.fromisoformat(e.ingested_at) for e in earlier or live]
        if stated is not None:
            # Somebody puts right what a clock that ran ahead has dated.
            known = [at for at in known if at <= datetime.now(UTC)]
        self.ingested = max(known, default=None)

    def of(self, state: Parsed) -> date:
        """The day that the content tells, else the one stated, else that of the fetch.

        What is fetched later was not published earlier: where only the clock gives the day, and gives one before
        that of the partition's last live edition, that edition's day is taken, so that newer figures are not
        filed behind older ones.
        """
        if state.published_on:
            return state.published_on
        if self.is_stated:
            return self.fallback
        if state.partition in self.earlier:
            return self.earlier[state.partition]
        return max(self.fallback, self.newest.get(state.partition, self.fallback))

    def ingested_at(self, obtained: datetime) -> datetime:
        """When the bytes were obtained, not before those of the editions before: it orders editions of one day."""
        if self.ingested is None:
            return min(obtained, datetime.now(UTC)) if self.is_stated else obtained
        return self.ingested if self.earlier else max(obtained, self.ingested + timedelta(microseconds=1))

    def finding(self, state: Parsed) -> gates.Finding | None:
        """A warning where the clock gave a day before that of the edition before."""
        if state.published_on or self.of(state) == self.fallback:
            return None
        return gates.Finding(
            "clock",
            f"the clock said {self.fallback}, before the last edition's {self.of(state)}, whose day was taken",
            remedy="Set the clock, and load the files again with their day of publication.",
        )


def make_edition_id(published_on: date, hashes: Sequence[str]) -> str:
    """Id of an edition: its date of publication and a digest, as a rule of its files' hashes."""
    digest = hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
    return f"{published_on.isoformat()}.{digest[:8]}"


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise SourceError(
            "this is a folder", file=str(path), remedy="Name the files in it: all files of one edition."
        )
    if not path.is_file():
        raise SourceError("there is no such file", file=str(path), remedy="Check the path.")


def _in_hand(path: Path) -> SourceFile:
    _require_file(path)
    return SourceFile(path=path, name=path.name, sha256=sha256_of(path))


def _fetched_on(file: SourceFile) -> date:
    return file.published_on or (file.fetched_at or datetime.now(UTC)).date()


def _rejected(frame: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in lake.REJECTED_SCHEMA.names() if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing).select(
        [pl.col(name).cast(pl.String) for name in lake.REJECTED_SCHEMA.names()]
    )


def _fingerprint(source: Source) -> str:
    """Digest of everything but the publisher's bytes that decides an edition's canonical rows."""
    digest = hashlib.sha256()
    for path in [*source.fingerprint_paths(), lake.CONTRACTS_FILE, *vocabulary.paths(), *_code_paths()]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _code_paths() -> list[Path]:
    return sorted(Path(__file__).parent.glob("*.py"))


def summary(edition: Edition) -> dict[str, Any]:
    """An edition as a flat record for tables and metadata."""
    return {
        "source_code": edition.source_code,
        "edition_id": edition.edition_id,
        "partition": edition.partition,
        "published_on": edition.published_on,
        "is_bundled": edition.is_bundled,
        "rows": edition.row_count,
        "quarantined": edition.rows_quarantined,
        "dropped": sum(edition.rows_dropped.values()),
        "warnings": list(edition.warnings),
    }
