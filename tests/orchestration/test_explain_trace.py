"""What follows from what, on models so small that the answer is known: exactly these rows, in exactly these roles."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from orchestration.errors import ExplainError
from orchestration.explain import columns, plan, words
from orchestration.explain.plan import Model, Role
from orchestration.explain.trace import Workshop
from orchestration.text import sql_condition

SALES = [
    # row id, country, year, product, value, edition
    (0, "JPN", 2019, "a", 10.0, 1),
    (1, "JPN", 2019, "b", 30.0, 1),
    (2, "JPN", 2020, "a", 15.0, 1),
    (3, "USA", 2019, "a", 60.0, 1),
    (4, "JPN", 2019, "c", None, 1),
    (5, "JPN", 2019, "a", 99.0, 0),
]
VALUE, CONDITION = Role.VALUE, Role.CONDITION


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = duckdb.connect()
    opened.execute(
        "create table sales (country varchar, year integer, product varchar, value double, edition integer)"
    )
    opened.executemany("insert into sales values (?, ?, ?, ?, ?)", [row[1:] for row in SALES])
    opened.execute("create table kind (product varchar, is_biologic boolean)")
    opened.execute("insert into kind values ('a', true), ('b', false)")
    opened.execute("create table rate (country varchar, per_usd double)")
    opened.execute("insert into rate values ('JPN', 100), ('USA', 1)")
    yield opened
    opened.close()


def chain(connection: duckdb.DuckDBPyConnection, query: str, column: str, where: str) -> dict[str, dict[int, Role]]:
    """Rows of the three tables that a column of a query follows from, in the one row that a condition selects."""
    published = {"staging.stg_sales": "sales", "vocabulary.kind": "kind", "staging.stg_rate": "rate"}
    code = query
    for name in published:
        code = code.replace(
            f"<{name.partition('.')[2].removeprefix('stg_')}>", '"w"."{}"."{}"'.format(*name.split("."))
        )
    models = {"marts.mart_m": Model("marts.mart_m", "sql", code, "", (), tuple(published))}
    shop = Workshop(connection, models, published, lambda model, relation: pytest.fail(model.name))
    shop.run("marts.mart_m")
    rows = connection.execute(f"select rowid from {shop.table('marts.mart_m')} where {where}").fetchall()
    found = shop.trace("marts.mart_m", [row[0] for row in rows], column)
    steps = "select table_name from duckdb_tables() where table_name like 'step_%'"
    for (name,) in connection.execute(steps).fetchall():
        connection.execute(f"drop table {name}")
    return {name.partition(".")[2].removeprefix("stg_"): held for name, held in found.rows.items() if held}


LATEST = (
    "with latest as (select *, row_number() over (partition by country, year, product order by edition desc) "
    "as place from <sales>) "
)


@pytest.mark.parametrize(
    ("query", "column", "where", "expected"),
    [
        pytest.param(
            "select country, sum(value) as total from <sales> where edition = 1 group by country",
            "total",
            "country = 'JPN'",
            {"sales": {0: VALUE, 1: VALUE, 2: VALUE}},
            id="a sum follows from its addends, not from rows without a value or out of the condition",
        ),
        pytest.param(
            "select country, sum(case when year = 2019 then value end) as first, sum(value) as total "
            "from <sales> where edition = 1 group by country",
            "first",
            "country = 'JPN'",
            {"sales": {0: VALUE, 1: VALUE}},
            id="a sum over a case follows from the rows of that case",
        ),
        pytest.param(
            "select country, count(*) as n from <sales> group by country",
            "n",
            "country = 'USA'",
            {"sales": {3: VALUE}},
            id="a count follows from the rows that it counts",
        ),
        pytest.param(
            LATEST + "select country, year, product, value from latest where place = 1",
            "value",
            "country = 'JPN' and year = 2019 and product = 'a'",
            {"sales": {0: VALUE}},
            id="a row that was replaced is not part of the chain",
        ),
        pytest.param(
            LATEST + "select country, year, product, place from latest",
            "place",
            "place = 2",
            {"sales": {0: CONDITION, 5: CONDITION}},
            id="a rank follows from its peers",
        ),
        pytest.param(
            "select s.country, s.value / r.per_usd as usd, k.is_biologic from <sales> as s "
            "inner join <rate> as r on r.country = s.country left join <kind> as k on k.product = s.product "
            "where s.edition = 1 and s.product = 'b'",
            "usd",
            "true",
            {"sales": {1: VALUE}, "rate": {0: VALUE}},
            id="a left join that the figure does not read is left out, a rate enters",
        ),
        pytest.param(
            "select s.country, sum(s.value) as biologic from <sales> as s "
            "inner join <kind> as k on k.product = s.product and k.is_biologic "
            "where s.edition = 1 and s.year = 2019 group by s.country",
            "biologic",
            "country = 'JPN'",
            {"sales": {0: VALUE}, "kind": {0: CONDITION}},
            id="what decides is a condition",
        ),
        pytest.param(
            "with total as (select year, sum(value) as whole from <sales> where edition = 1 group by year) "
            "select s.country, s.product, s.value / total.whole as share from <sales> as s "
            "inner join total on total.year = s.year where s.edition = 1 and s.year = 2019",
            "share",
            "country = 'USA'",
            {"sales": {0: VALUE, 1: VALUE, 3: VALUE}},
            id="a share follows from its denominator",
        ),
        pytest.param(
            "select country, product, value / sum(value) over (partition by year) as share "
            "from <sales> where edition = 1 and year = 2019",
            "share",
            "country = 'USA'",
            {"sales": {0: VALUE, 1: VALUE, 3: VALUE}},
            id="so does a share over a window",
        ),
        pytest.param(
            "select year, sum(value) over (order by year) as run from <sales> where edition = 1 and product = 'a' "
            "and country = 'JPN'",
            "run",
            "year = 2019",
            {"sales": {0: VALUE}},
            id="a running sum follows from no later row",
        ),
        pytest.param(
            "select 'all' as part, value from <sales> where country = 'USA' union all "
            "select product, value from <sales> where country = 'JPN' and edition = 1",
            "value",
            "part = 'b'",
            {"sales": {1: VALUE}},
            id="a row of a union follows from its branch",
        ),
        pytest.param(
            "select distinct year from <sales>",
            "year",
            "year = 2020",
            {"sales": {2: VALUE}},
            id="a distinct value follows from a row that has it",
        ),
        pytest.param(
            "select product, value from <sales> where value = (select max(value) from <sales> where edition = 1)",
            "value",
            "true",
            {"sales": {0: CONDITION, 1: CONDITION, 2: CONDITION, 3: VALUE}},
            id="a value that is looked up decides",
        ),
        pytest.param(
            "select s.product, s.value from <sales> as s left join <kind> as k on k.product = s.product "
            "where k.product is null and s.edition = 1",
            "product",
            "true",
            {"sales": {4: VALUE}},
            id="what is absent has no row",
        ),
    ],
)
def test_chain(
    query: str,
    column: str,
    where: str,
    expected: dict[str, dict[int, Role]],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert chain(connection, query, column, where) == expected


def test_sql_that_cannot_be_taken_apart_is_named() -> None:
    for code in ("insert into x values (1)", "select from where", "select a from nowhere"):
        model = Model("marts.mart_m", "sql", code, "", (), ())
        with pytest.raises(ExplainError, match="mart_m cannot be taken apart"):
            plan.steps_of(model, {}, {})


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("cast(a.x / nullif(b.y, 0) as double)", "x divided by y"),
        ("sum(case when year = 2019 then x end)", "the sum of x where year is 2019"),
        ("count(distinct x)", "the number of different x"),
        ("count(*)", "the number of rows"),
        ("(x - y) / (x + y)", "(x minus y) divided by (x plus y)"),
        ("coalesce(x, 0)", "x, or where it is missing 0"),
        ("power(x, 2) - 1", "(x to the power of 2) minus 1"),
        ("x is not null and not y", "x is there and not y"),
        ("rank() over (partition by year order by x desc)", "the place by x, largest first within the same year"),
        ("sum(x) over (partition by year)", "the sum of x within the same year"),
    ],
)
def test_formulas_in_words(sql: str, said: str) -> None:
    import sqlglot

    assert words.of(sqlglot.parse_one(sql, dialect="duckdb")) == said


def test_column_lineage_tells_values_from_conditions() -> None:
    code = (
        "with biologic as (select s.year, sum(s.value) as value from w.staging.stg_sales as s "
        "inner join w.vocabulary.kind as k on k.product = s.product where k.is_biologic group by s.year) "
        "select year, value / 1000 as thousands from biologic"
    )
    model = Model("marts.mart_m", "sql", code, "", (), ("staging.stg_sales", "vocabulary.kind"))
    known = {
        "staging.stg_sales": ["year", "product", "value"],
        "vocabulary.kind": ["product", "is_biologic"],
        "marts.mart_m": ["year", "thousands"],
    }
    found = {column.column: column for column in columns.whole_lineage({model.name: model}, known).columns}
    assert found["thousands"].values == ("staging.stg_sales.value",)
    assert found["thousands"].conditions == ("vocabulary.kind.is_biologic",)
    assert found["thousands"].formula == "thousands = value divided by 1000; value = the sum of value"
    assert found["year"].formula == ""
    assert sql_condition({"a": "it's", "b": None, "c": 1}) == "a = 'it''s' and b is null and c = 1"
