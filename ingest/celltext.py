"""Cells of text as figures and days, read so that nothing a publisher adds to a figure becomes a part of it."""

from __future__ import annotations

import polars as pl

# Marks of footnotes that NFKC turns into digits: superscripts, subscripts, digits in circles, brackets or with dot.
_MARKED_NUMBER = r"^[\s(]*[-+]?[0-9０-９.,，．]*[0-9０-９][\s)]*[²³¹⁰⁴-⁹₀-₉①-⒛⓪⓵-⓾❶-➓]+\s*$"


def half_width(value: pl.Expr) -> pl.Expr:
    """Text in half width (NFKC); a number with the mark of a footnote is left as it is and so remains no number.

    NFKC alone would make 22.361 of 22.36 with a raised 1, and would make a figure ten times as large.
    """

    def converted(texts: pl.Series) -> pl.Series:
        # Text of ASCII alone, as most of it is, has nothing to convert.
        if not (texts.str.len_bytes() != texts.str.len_chars()).any():
            return texts
        text = pl.col(texts.name)
        marked = pl.when(text.str.contains(_MARKED_NUMBER)).then(text).otherwise(text.str.normalize("NFKC"))
        return texts.to_frame().select(marked.alias(texts.name)).to_series()

    return value.map_batches(converted, return_dtype=pl.String, is_elementwise=True)


def day(value: pl.Expr, pattern: str = "%Y-%m-%d") -> pl.Expr:
    """The day that a text states by a pattern that begins with the year; null where it states none.

    A sign before the year, which Polars would read as a year before our era, makes it no day.
    """
    return pl.when(value.str.contains("^[0-9]")).then(value).str.to_date(pattern, strict=False)
