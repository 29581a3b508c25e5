"""What goes wrong with a publisher's table, for the fuzz tests of parsers of delimited text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


@dataclass
class Table:
    """A header and rows of text."""

    header: list[str]
    rows: list[list[str]]

    def cut(self, size: int) -> Table:
        """The first rows."""
        return Table(list(self.header), [list(row) for row in self.rows[:size]])


@dataclass(frozen=True)
class Damage:
    """One thing done to a table; `row` is the row whose cell it touched, None where it touched none."""

    kind: str
    at: int
    column: int

    def apply(self, table: Table) -> int | None:
        """Do it in place; returns the index of the row whose cell was changed."""
        at, column = self.at % len(table.rows), self.column % len(table.header)
        match self.kind:
            case "drop_column":
                for cells in (table.header, *table.rows):
                    del cells[column]
            case "rename_column":
                table.header[column] += " (new)"
            case "move_column":
                for cells in (table.header, *table.rows):
                    cells.append(cells.pop(column))
            case "blank_row":
                table.rows.insert(at, [""] * len(table.header))
            case "repeat_row":
                table.rows.insert(at, list(table.rows[at]))
            case "short_row":
                table.rows[at] = table.rows[at][: column or 1]
                return at
            case "full_width":
                table.rows[at][column] = table.rows[at][column].translate(FULL_WIDTH)
                return at
            case "footnote":
                table.rows[at][column] += " *1)"
                return at
        return None


KINDS = (
    "drop_column",
    "rename_column",
    "move_column",
    "blank_row",
    "repeat_row",
    "short_row",
    "full_width",
    "footnote",
)


def damages(kinds: Sequence[str] = KINDS) -> st.SearchStrategy[Damage]:
    """Any one damage of those kinds."""
    return st.builds(Damage, st.sampled_from(kinds), st.integers(0, 10_000), st.integers(0, 100))
