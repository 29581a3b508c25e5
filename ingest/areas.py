"""What a publisher's area code names: a country, a group of countries, or nothing that has been reviewed."""

from __future__ import annotations

import unicodedata
from functools import cache

import polars as pl

from ingest import vocabulary

COUNTRY = "country"
AGGREGATE = "aggregate"


def kinds(scheme: str) -> pl.DataFrame:
    """Codes and what they name (`code`, `kind`): ISO 3166-1 alpha-3 countries and the scheme's own groups.

    `scheme` is one of `vocabulary/area_aggregate.csv` (oecd, world_bank). A code that is missing here is unknown
    and belongs into quarantine, not into a guess.
    """
    countries = vocabulary.table("country").filter(~pl.col("is_aggregate")).select(pl.col("iso3").alias("code"))
    groups = vocabulary.table("area_aggregate").filter(pl.col("scheme") == scheme).select("code")
    return pl.concat(
        [
            countries.with_columns(pl.lit(COUNTRY).alias("kind")),
            groups.join(countries, on="code", how="anti").with_columns(pl.lit(AGGREGATE).alias("kind")),
        ]
    )


def iso2_to_iso3() -> pl.DataFrame:
    """ISO 3166-1 alpha-2 and alpha-3 codes of countries (`iso2`, `iso3`)."""
    return vocabulary.table("country").filter(~pl.col("is_aggregate")).select("iso2", "iso3").drop_nulls()


@cache
def names() -> dict[str, str]:
    """ISO 3166-1 alpha-3 codes by English name and by `vocabulary/country_alias.csv`, in the form of `comparable`."""
    countries = vocabulary.table("country").filter(~pl.col("is_aggregate")).select("name_en", "iso3")
    return {
        **{comparable(name): iso3 for name, iso3 in countries.iter_rows()},
        **dict(vocabulary.table("country_alias").select("alias", "iso3").iter_rows()),
    }


def comparable(name: str) -> str:
    """A country's name as the vocabulary compares it: NFKC, lower case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).lower().split())
