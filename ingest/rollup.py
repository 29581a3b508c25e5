"""Which members of a breakdown are sums of others: groups of products beside the products in them.

A company lists its franchises and their products in one column, without saying which is which, and a sum over the
column counts both. Arithmetic tells them apart: a member is a group if it equals the sum of other members in every
slice (market and year) in which it is stated, up to the rounding of the addends. Where the slices are few and the
members many, some sum hits any value by chance; so a sum counts as evidence only if the number of sums that would
hit by chance, from the count of subsets and the width of the rounding, is below `_CHANCE`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

WORLD, HOME, ABROAD = "WLD", "USA", "XUS"

# Expected number of sums that agree by chance, below which an agreement is taken as a fact.
_CHANCE = 0.01
# The same where a member is named as the rest of the group (Oncology and OtherOncology), which speaks for it.
_CHANCE_IF_NAMED = 0.5
_MOST_ADDENDS = 20
_MOST_STEPS = 20_000
_UNITS = (1e6, 1e5, 1e4, 1e3, 1e2, 1e1)

Slice = tuple[date, str]


@dataclass(frozen=True)
class Member:
    """A member of a breakdown: its name, and its value by slice, a slice being a period and a market."""

    name: str
    values: Mapping[Slice, float]


def groups(members: Sequence[Member]) -> dict[int, tuple[int, ...]]:
    """Members that are sums of others, by position, each with the positions of one set of members that it sums.

    A member that repeats another in every slice is returned as a group of that one; of the two, the one that is
    stated in more slices, or stands first by name, is kept as the member.
    """
    unit = rounding_unit([value for member in members for value in member.values.values()])
    tables = [completed(member.values) for member in members]
    found = _repeats(members, tables, unit)
    usable = [
        position
        for position, table in enumerate(tables)
        if position not in found and table and min(table.values()) >= 0 and max(table.values()) > 0
    ]
    # From the smallest to the largest, so that a group of groups finds its own parts first.
    for position in sorted(usable, key=lambda p: max(tables[p].values())):
        others = [other for other in usable if other != position]
        parts = _parts(position, others, members, tables, unit)
        if parts:
            found[position] = parts
    return found


def named_groups(names: Sequence[str]) -> set[int]:
    """Positions of names that others call the rest of: Oncology, where OtherOncology is listed."""
    plain = [_plain(name) for name in names]
    return {
        position
        for position, name in enumerate(plain)
        if any(_is_rest_of(other, name) for index, other in enumerate(plain) if index != position)
    }


def rounding_unit(values: Sequence[float]) -> float:
    """The largest power of ten, up to a million, of which all values are multiples."""
    for unit in _UNITS:
        if all(abs(value - round(value / unit) * unit) < 1e-3 for value in values):
            return unit
    return 1.0


def completed(values: Mapping[Slice, float]) -> dict[Slice, float]:
    """Values with those that follow from them: of the world, the United States and the rest, two give the third."""
    result = dict(values)
    for period in {period for period, _ in values}:
        world, home, abroad = (values.get((period, market)) for market in (WORLD, HOME, ABROAD))
        if world is None and home is not None and abroad is not None:
            result[period, WORLD] = home + abroad
        elif abroad is None and world is not None and home is not None and world >= home:
            result[period, ABROAD] = world - home
        elif home is None and world is not None and abroad is not None and world >= abroad:
            result[period, HOME] = world - abroad
    return result


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removeprefix("total")


def _is_rest_of(name: str, group: str) -> bool:
    return bool(group) and name in (f"other{group}", f"{group}other", f"allother{group}")


def _tolerance(addends: int, unit: float) -> float:
    """Widest difference that rounding of the sum and of its addends to the unit explains."""
    return 0.5 * unit * (addends + 1) + 1e-3


def _independent(slices: Sequence[Slice]) -> list[Slice]:
    """Slices without those that follow from others: the world, where the United States and the rest are there."""
    held = set(slices)
    return [
        (period, market)
        for period, market in slices
        if not (market == WORLD and {(period, HOME), (period, ABROAD)} <= held)
    ]


def _chance(
    target: Mapping[Slice, float], slices: Sequence[Slice], candidates: int, addends: int, unit: float
) -> float:
    """Expected number of sums of that many addends or fewer that agree with the target by chance."""
    subsets = sum(math.comb(candidates, count) for count in range(1, addends + 1))
    width = 2 * _tolerance(addends, unit) + unit
    return subsets * math.prod(min(1.0, width / target[where]) for where in _independent(slices))


def _repeats(
    members: Sequence[Member], tables: Sequence[Mapping[Slice, float]], unit: float
) -> dict[int, tuple[int, ...]]:
    order = sorted(range(len(members)), key=lambda p: (-len(members[p].values), members[p].name))
    found: dict[int, tuple[int, ...]] = {}
    for rank, position in enumerate(order):
        table = tables[position]
        for kept in order[:rank]:
            slices = [where for where in table if where in tables[kept]]
            if kept in found or not slices or any(tables[kept][where] != table[where] for where in slices):
                continue
            if _chance(table, slices, len(members), 1, unit) < _CHANCE:
                found[position] = (kept,)
                break
    return found


def _parts(
    position: int,
    others: Sequence[int],
    members: Sequence[Member],
    tables: Sequence[Mapping[Slice, float]],
    unit: float,
) -> tuple[int, ...] | None:
    target = {where: value for where, value in tables[position].items() if value > 0}
    by_market = [[where for where in target if where[1] == market] for market in (WORLD, HOME, ABROAD)]
    for slices in (list(target), *by_market):
        if not slices:
            continue
        reach = _tolerance(_MOST_ADDENDS, unit)
        rows = {
            other: row
            for other in others
            if (row := _row(tables[other], slices)) is not None
            and any(row)
            and all(value <= target[where] + reach for value, where in zip(row, slices, strict=True))
        }
        rest = [other for other in rows if _is_rest_of(_plain(members[other].name), _plain(members[position].name))]
        fixed, limit = (rest[:1], _CHANCE_IF_NAMED) if rest else ([], _CHANCE)
        most = len(fixed) + max(
            (
                count
                for count in range(1, min(len(rows), _MOST_ADDENDS) + 1)
                if _chance(target, slices, len(rows) - len(fixed), count, unit) < limit
            ),
            default=0,
        )
        found = _sum([target[where] for where in slices], rows, fixed, most, unit) if most > 1 else None
        if found:
            return found
    return None


def _row(table: Mapping[Slice, float], slices: Sequence[Slice]) -> list[float] | None:
    """A member's values in the slices; zero in years in which it is not stated at all, None where it is unknown."""
    periods = {period for period, _ in table}
    if any(period in periods and (period, market) not in table for period, market in slices):
        return None
    return [table.get(where, 0.0) for where in slices]


def _sum(
    target: Sequence[float], rows: Mapping[int, Sequence[float]], fixed: Sequence[int], most: int, unit: float
) -> tuple[int, ...] | None:
    """A set of two to `most` rows, the fixed ones among them, that add up to the target in every slice.

    A search in depth over the rows from the largest on; it leaves a branch when the sum is past the target in some
    slice, or when all that is left cannot reach it, and gives up after a fixed number of steps.
    """
    free = sorted((position for position in rows if position not in fixed), key=lambda p: (-max(rows[p]), p))
    left = [[0.0] * len(target)]
    for position in reversed(free):
        left.append([total + value for total, value in zip(left[-1], rows[position], strict=True)])
    left.reverse()
    reach = _tolerance(most, unit)
    residual = list(target)
    for position in fixed:
        residual = [have - value for have, value in zip(residual, rows[position], strict=True)]
    stack = [(0, tuple(fixed), residual)]
    for _ in range(_MOST_STEPS):
        if not stack:
            break
        start, chosen, residual = stack.pop()
        if start == len(free) or any(have - top > reach for have, top in zip(residual, left[start], strict=True)):
            continue
        stack.append((start + 1, chosen, residual))
        extended = (*chosen, free[start])
        after = [have - value for have, value in zip(residual, rows[free[start]], strict=True)]
        if len(extended) > 1 and all(abs(value) <= _tolerance(len(extended), unit) for value in after):
            return extended
        if len(extended) < most and all(value >= -reach for value in after):
            stack.append((start + 1, extended, after))
    return None
