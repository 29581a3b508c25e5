"""Which products are biologics under any definition: the rows that a trimmed edition keeps one by one.

Definitions of `biologic` differ (`vocabulary/modality_ruleset.csv`), and a mart shows every one of them. So a trimmed
edition keeps each product whose modality counts under at least one rule set.
"""

from __future__ import annotations

import polars as pl

from ingest import vocabulary


def substance_ids() -> list[str]:
    """Substances whose modality counts as biologic under at least one rule set, in alphabetical order."""
    rules = vocabulary.table("modality_rule").filter(pl.col("is_biologic"))
    substances = vocabulary.table("substance").filter(pl.col("modality").is_in(rules["modality"].unique().to_list()))
    return substances["substance_id"].sort().to_list()


def aliases(scheme: str) -> list[str]:
    """Names of those substances in a scheme of `vocabulary/substance_alias.csv`, in the comparable form."""
    table = vocabulary.table("substance_alias")
    listed = table.filter((pl.col("alias_scheme") == scheme) & pl.col("substance_id").is_in(substance_ids()))
    return listed.select(comparable(pl.col("alias")).unique().sort()).to_series().to_list()


def comparable(name: pl.Expr) -> pl.Expr:
    """A name as the vocabulary compares it: NFKC, lower case, without blanks."""
    return name.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s", "")


def has_biologic_nhi_code(code: pl.Expr) -> pl.Expr:
    """Whether a 12-character NHI price-list code names a biologic substance; false for null.

    Its first seven characters name class, route group and ingredient (scheme `nhi_7`).
    """
    return comparable(code).str.slice(0, 7).is_in(aliases("nhi_7")).fill_null(False)


def has_biologic_ingredient(name: pl.Expr) -> pl.Expr:
    """Whether a 成分名 of the NHI price list names a biologic substance (scheme `nhi_ingredient`); false for null."""
    return comparable(name).is_in(aliases("nhi_ingredient")).fill_null(False)


def us_names() -> pl.DataFrame:
    """US names of substances (`alias` in the comparable form, `substance_id`).

    A name of the scheme `us_substance` decides; an INN (`inn`) stands in only where that scheme lacks the name.
    """
    table = vocabulary.table("substance_alias").select("alias_scheme", comparable(pl.col("alias")), "substance_id")
    schemes = [table.filter(pl.col("alias_scheme") == scheme) for scheme in ("us_substance", "inn")]
    return pl.concat(schemes).unique("alias", keep="first", maintain_order=True).drop("alias_scheme")


def has_biologic_us_name(name: pl.Expr) -> pl.Expr:
    """Whether a US generic name names a biologic substance; false for null and for names that are not reviewed."""
    named = us_names().filter(pl.col("substance_id").is_in(substance_ids()))
    return comparable(name).is_in(named["alias"].to_list()).fill_null(False)


# Stems of INNs and words that publishers use for biologics: antibodies, fusion proteins, enzymes, hormones,
# cytokines, coagulation factors, vaccines, immunoglobulins, and products of genes and cells. Wide on purpose: what
# such a name is, the models decide, and what turns out to be no biologic is counted as not classified.
_STEMS = "|".join(
    (
        r"mab\b|cept\b|fusp\b|kinra\b",
        r"\w(?:[ts]id|lip|fat|[sd]orn|tepl|nucle|argin|agin)ase\b|\w+ase (?:alfa|beta)\b",
        r"\b(?:alfa|alpha|beta|gamma|delta|theta|zeta)\b|interferon|poetin|grastim|tropin|insulin|leukin",
        r"(?:ermin|plasmin|nermin|hirudin|parin)\b|toxin|vaccin|toxoid|antigen|meran\b",
        r"globulin|coagulation factor|fibrinogen|thrombin|albumin|plasma|protein|aprotinin|hyaluronidase",
        r"vec\b|leucel|temcel|\bcells?\b|chondrocyte|thymidine kinase",
    )
)


def has_biologic_stem(name: pl.Expr) -> pl.Expr:
    """Whether a name holds a stem or word of biologics (an INN stem, `vaccine`, `immunoglobulin`); false for null."""
    return name.str.normalize("NFKC").str.to_lowercase().str.contains(_STEMS).fill_null(False)
