"""Breakages of the revisions between editions."""

from __future__ import annotations

SET = "update marts.mart_revisions set"


def _one(condition: str) -> str:
    return f"where _row = (select min(_row) from marts.mart_revisions where {condition})"


WORLD_BANK = "source_code = 'worldbank_wdi' and revision_kind = 'revised' and year = {year} and entity_code = 'JPN'"


def _japan(year: int) -> str:
    return _one(WORLD_BANK.format(year=year))


BREAKAGES: dict[str, tuple[str, int]] = {
    "mart_revisions__finite": (f"{SET} difference_share = 'inf' {_japan(1997)}", 1),
    "mart_revisions__key": (f"{SET} figure_key = null {_japan(1998)}", 1),
    "mart_revisions__editions_known": (f"{SET} first_edition_id = 'none' {_japan(1999)}", 1),
    "mart_revisions__difference_adds_up": (f"{SET} difference = -difference {_japan(2000)}", 1),
    "mart_revisions__days_in_order": (f"{SET} days_until_changed = 0 {_japan(2001)}", 1),
    "mart_revisions__kind_fits": (f"{SET} revision_kind = 'vanished' {_japan(2002)}", 1),
    "mart_revisions__last_value_in_force": (
        f"{SET} last_value = 2 * last_value, difference = 2 * last_value - first_value, "
        f"difference_share = (2 * last_value - first_value) / first_value {_japan(2003)}",
        1,
    ),
}
