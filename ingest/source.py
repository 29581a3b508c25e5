"""What a source is: its description, the files of an edition, and what parsing them yields.

A source is a folder `ingest/sources/<code>/` with

* `source.yml`: identity, licence, cadence and file gates (:class:`SourceSpec`);
* `parse.py`: `parse(files) -> Parsed`, publisher's bytes to canonical rows, and, where the bundled edition
  is trimmed, `trim(tables) -> tables`;
* `fetch.py`, only where addresses must be discovered, paged or keyed: `requests(client) -> Iterable[Download]`;
* `edition/`: its share of the bundled edition, `edition.yml` and one `<table>.csv` per canonical table.

Adding a folder is all it takes: nothing registers sources elsewhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingest import plain_yaml
from ingest.errors import SourceError

if TYPE_CHECKING:
    from ingest.fetch import Client, Download

SOURCES_DIR = Path(__file__).resolve().parent / "sources"

Content = Literal["xlsx", "xls", "csv", "tsv", "text", "json", "xml", "zip", "gzip", "html", "pdf"]


class Licence(BaseModel):
    """Terms under which the publisher's figures may be used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    url: str | None = None
    redistribution: Literal["open", "facts", "never"] = Field(
        description="open: figures may be bundled; facts: single cited figures only; never: test and reading only"
    )


class FileGate(BaseModel):
    """What a file of this source must look like before it is parsed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pattern: str = Field(description="glob that the file name matches, lower case")
    content: Content
    min_bytes: int = 1
    max_bytes: int = 2_000_000_000
    shrink_blocks: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of its size that a file may not lose since the last edition; 1: any",
    )
    dated_names: bool = Field(
        default=False, description="the name carries the edition's date or number: files are compared without digits"
    )
    pinned_header: bool = Field(default=False, description="a changed header blocks the edition instead of warning")


class PlainDownload(BaseModel):
    """A file at a fixed address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    name: str = Field(description="name under which the file is archived; it must match a gate")
    group: str = Field(default="all", description="files of one group make one edition")
    parameters: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)


class PartitionPolicy(BaseModel):
    """The parts that a publisher's data come in, and how to ask for some of them only.

    The option is an environment variable that the source's `fetch.py` reads: names of partitions, with commas.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Literal["quarter", "fiscal_year", "part"] = Field(
        description="quarter: 2009q2; fiscal_year: FY2014, from April on; part: what `parts()` of fetch.py lists"
    )
    option: str = Field(pattern=r"^BIOPHARMA_[A-Z_]+$")
    first: date | None = Field(default=None, description="first day of the first quarter or fiscal year")


class FetchPolicy(BaseModel):
    """How to ask this publisher: what for, how often, how long, and with which key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: Literal["daily", "weekly", "monthly", "quarterly", "yearly"] | None = Field(
        default=None, description="how often to ask, where the publisher's cadence is more often than is of use"
    )
    partitions: PartitionPolicy | None = None
    downloads: tuple[PlainDownload, ...] = ()
    hosts: tuple[str, ...] = Field(default=(), description="other hosts to which the publisher may redirect")
    headers: dict[str, str] = Field(default_factory=dict)
    key_variables: tuple[str, ...] = Field(default=(), description="environment variables that hold keys")
    seconds_between_requests: float = Field(default=1.0, ge=0)
    timeout_seconds: float = Field(default=60.0, gt=0, description="longest silence of the publisher")
    total_seconds: float = Field(default=3600.0, gt=0, description="longest duration of one download")
    backoff_seconds: float = Field(default=1.0, ge=0)
    max_redirects: int = 5


class SourceSpec(BaseModel):
    """The content of a `source.yml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    publisher: str
    publisher_country: str = Field(description="ISO3, or INT for an international organisation")
    description: str
    domain: Literal["sales", "rnd", "origin", "contract_manufacturing", "policy", "reference"]
    kind: Literal["publisher", "curated"]
    tables: tuple[str, ...]
    landing_page: str
    endpoints: tuple[str, ...] = ()
    licence: Licence
    citation: str
    cadence: Literal["daily", "weekly", "monthly", "quarterly", "yearly", "irregular"]
    freshness_days: int = Field(gt=0, description="an edition older than this is reported as stale")
    owner: str = "data-team@biopharma-warehouse.example"
    default_files: tuple[FileGate, ...] = Field(default=(), alias="files")
    keeps: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="columns of a table whose combinations an edition must keep when it replaces its partition",
    )
    fetch: FetchPolicy = Field(default_factory=FetchPolicy)
    columns: dict[str, dict[str, tuple[str, ...]]] = Field(
        default_factory=dict,
        description="for each canonical table and column, the publisher's own columns that it is read from, in any "
        "of its layouts; <year>, <month>, <currency> and <country> stand for a part that varies. What is not named "
        "is set in reading. A curated source has none: its columns are typed from the documents that the rows cite.",
    )
    caveats: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _columns_are_canonical(self) -> SourceSpec:
        """Every canonical table and column that `columns` names exists, and the source fills the table."""
        from ingest import lake

        for table, columns in self.columns.items():
            if table not in self.tables:
                raise ValueError(f"columns: the source does not fill {table}")
            known = {column.name for column in lake.contract(table).columns}
            if unknown := sorted(set(columns) - known):
                raise ValueError(f"columns: {table} has no column {', '.join(unknown)}")
        return self


@dataclass(frozen=True)
class SourceFile:
    """One file of an edition, as it lies in the archive or in somebody's hands."""

    path: Path
    name: str
    sha256: str
    published_on: date | None = None
    fetched_at: datetime | None = None
    url: str | None = None


@dataclass
class Parsed:
    """What parsing one edition yields.

    `tables` maps canonical table names to frames that hold the table's own columns and `file_sha256` and
    `locator`; the loader adds the other lineage columns and fills honesty columns that are absent with
    `status='reported'`, `value_origin='publisher_bytes'`, `series_break=false`.
    `rejected` holds rows that could not be read: `file_name`, `locator`, `reason`, `raw`.
    `dropped` counts rows left out by a named rule; `rows_read` is the count before any of this, and may be
    larger or smaller than the canonical rows where one published row holds several observations.
    `published_on` and `partition` are set where the files themselves tell them.

    Files that hold their own history (a figure as it was first filed, and as it was restated) yield one `Parsed`
    for each state: the newest, and the older ones in `earlier`, oldest first, each with its own `published_on`.
    Such a state has an `identity`, the text that its edition id is made from in place of the files' hashes: the
    next download repeats the history in other bytes, and only states that are new become new editions.

    What is too large to be held comes in batches: `more` yields further parts of the same state, each a `Parsed` of
    which only `tables`, `rows_read`, `rejected` and `dropped` count. The loader writes each before it asks for the
    next; a batch should hold a few hundred thousand rows. `more` can be called again, and begins anew.
    """

    tables: dict[str, pl.DataFrame]
    rows_read: int
    rejected: pl.DataFrame | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    published_on: date | None = None
    partition: str = "all"
    identity: str | None = None
    earlier: Sequence[Parsed] = ()
    more: Callable[[], Iterator[Parsed]] | None = None

    def batches(self) -> Iterator[Parsed]:
        """The parts of this state: what it holds itself, then what `more` yields."""
        yield self
        if self.more is not None:
            yield from self.more()

    @property
    def states(self) -> list[Parsed]:
        """The states that the files hold, oldest first; this one is the last."""
        return [*self.earlier, self]


class Source:
    """A source folder with its description and its parser."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "source.yml"
        try:
            raw: dict[str, Any] = plain_yaml.load(path.read_text(encoding="utf-8"))
            self.spec = SourceSpec.model_validate(raw)
        except FileNotFoundError as error:
            raise SourceError(
                "source.yml is missing", file=str(path), remedy="Add it; ingest/source.py lists its fields."
            ) from error
        except (ValidationError, yaml.YAMLError) as error:
            raise SourceError(
                f"source.yml is not valid: {error}", file=str(path), remedy="Correct the named fields."
            ) from error
        if self.spec.code != folder.name:
            raise SourceError(
                f"code {self.spec.code!r} differs from the folder's name",
                file=str(path),
                remedy="Use one short code for both.",
            )

    @property
    def code(self) -> str:
        """The short code."""
        return self.spec.code

    @property
    def edition_dir(self) -> Path:
        """Folder of the source's share of the bundled edition."""
        return self.folder / "edition"

    @property
    def has_bundled_edition(self) -> bool:
        """Whether the source contributes to the bundled edition."""
        return (self.edition_dir / "edition.yml").exists()

    def _module(self) -> Any:
        return importlib.import_module(f"ingest.sources.{self.code}.parse")

    @property
    def parse(self) -> Callable[[Sequence[SourceFile]], Parsed]:
        """The source's `parse` function."""
        function: Callable[[Sequence[SourceFile]], Parsed] = self._module().parse
        return function

    @property
    def trim(self) -> Callable[[dict[str, pl.DataFrame]], dict[str, pl.DataFrame]]:
        """The source's `trim` function for the bundled edition; the identity where it defines none."""
        default: Callable[[dict[str, pl.DataFrame]], dict[str, pl.DataFrame]] = lambda tables: tables  # noqa: E731
        function: Callable[[dict[str, pl.DataFrame]], dict[str, pl.DataFrame]] = getattr(
            self._module(), "trim", default
        )
        return function

    @property
    def has_connector(self) -> bool:
        """Whether the source can be fetched: by its `fetch.py`, or from addresses in `source.yml`."""
        return (self.folder / "fetch.py").exists() or bool(self.spec.fetch.downloads)

    def downloads(self, client: Client) -> Iterable[Download]:
        """What to fetch now: from `fetch.py` where the source has one, else the addresses in `source.yml`."""
        if (self.folder / "fetch.py").exists():
            module = importlib.import_module(f"ingest.sources.{self.code}.fetch")
            found: Iterable[Download] = module.requests(client)
            return found
        from ingest.fetch import Download

        return [Download(**entry.model_dump()) for entry in self.spec.fetch.downloads]

    def parts(self) -> list[str]:
        """Names of the partitions of a source that is partitioned by `part`, as its `fetch.py` lists them."""
        found: list[str] = importlib.import_module(f"ingest.sources.{self.code}.fetch").parts()
        return found

    def fingerprint_paths(self) -> list[Path]:
        """Files whose change makes an edition of this source worth parsing again."""
        return sorted(path for path in self.folder.rglob("*") if path.suffix in {".py", ".yml", ".csv"})


@cache
def discover() -> dict[str, Source]:
    """All sources by code, in alphabetical order; raises SourceError for a folder without a valid source.yml."""
    folders = (path for path in SOURCES_DIR.iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))
    return {folder.name: Source(folder) for folder in sorted(folders)}


def get(code: str) -> Source:
    """The source of that code; raises SourceError with the nearest codes, if any is near, where there is none."""
    sources = discover()
    if code not in sources:
        import difflib

        near = difflib.get_close_matches(code, sources, n=3)
        remedy = f"Did you mean {' or '.join(near)}?" if near else "See the sources: biopharma sources."
        raise SourceError(f"there is no source {code!r}", remedy=remedy)
    return sources[code]
