"""Every figure of the briefing: the id of its question, the query that answers it, its drawing and its table.

Queries read published tables only. The title, the definition that is shown and where the others are stand in the
message catalogues under `figure.<id>.title` and `figure.<id>.note`; `figure.<id>.empty` says what would fill a figure
that has no rows in this edition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestration.briefing import charts
from orchestration.briefing.charts import Row, Words
from orchestration.briefing.texts import Pair


@dataclass(frozen=True)
class Figure:
    """A question, its query, its drawing (None: a table is enough) and the columns of its table."""

    figure_id: str
    sql: str
    columns: tuple[str, ...]
    draw: charts.Draw | None = None
    texts: str = ""
    subject: str | None = None

    @property
    def message(self) -> str:
        """Id under which its texts stand: that of the template for a figure made for one country."""
        return self.texts or self.figure_id


def _worded(rows: Sequence[Row], words: Words, column: str, kind: str, to: str) -> list[Row]:
    return [{**row, to: words.code(kind, row[column])} for row in rows]


def _countries(rows: Sequence[Row], words: Words, column: str = "country_iso3") -> list[Row]:
    return _worded(rows, words, column, "country", "label")


def _by_ruleset(column: str, title: str, high: str | None = None) -> charts.Draw:
    def draw(rows: Sequence[Row], words: Words) -> Any:
        shown = _worded(rows, words, "ruleset_id", "ruleset", "label")
        return charts.bars(
            shown,
            words,
            label="label",
            value=column,
            high=high,
            title=words.say(title),
            form=".0%",
            focus=_is_headline,
        )

    return draw


def _is_headline(row: Row) -> bool:
    return bool(row.get("is_headline_ruleset"))


def _is_japan(row: Row) -> bool:
    return "JPN" in (
        row.get("country_iso3"),
        row.get("headquarters_iso3"),
        row.get("hq_iso3"),
        row.get("origin_iso3"),
    )


_SOURCED = "data_status, last_data_year, source_codes"
# The same of a group of rows: its weakest standing and all of its sources.
_GATHERED = """arg_min(data_status, list_position(['forecast', 'imputed', 'estimated', 'provisional', 'suppressed',
           'derived', 'reported'], data_status)) as data_status, max(last_data_year) as last_data_year,
       string_agg(distinct source_codes, ',' order by source_codes) as source_codes"""

# ---- market -----------------------------------------------------------------------------------------------------


def _draw_sales_trend(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **r,
            "series": words.code("ruleset", r["ruleset_id"]),
            "trillion": r["sales_jpy"] / 1e12,
            "piece": r["is_comparable"],
        }
        for r in rows
    ]
    return charts.lines(
        shown, words, x="fiscal_year", y="trillion", series="series", title=words.say("axis.jpy_trillion_fiscal")
    )


def _draw_price_volume(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            "label": words.take(
                Pair(
                    f"FY{row['comparison_fiscal_year']} to FY{row['fiscal_year']}",
                    f"{row['comparison_fiscal_year']}→{row['fiscal_year']}年度",
                )
            ),
            "value": row["effect_jpy"] / 1e12,
            "segment": words.code("effect", row["effect"]),
            "data_status": row["data_status"],
        }
        for row in rows
    ]
    return charts.bars(
        shown, words, label="label", value="value", segment="segment", title=words.say("axis.jpy_trillion_change")
    )


def _draw_share(column: str, title: str, label: Callable[[Row, Words], str]) -> charts.Draw:
    def draw(rows: Sequence[Row], words: Words) -> Any:
        shown = [{**row, "label": label(row, words)} for row in rows]
        return charts.bars(shown, words, label="label", value=column, title=words.say(title), form=".0%")

    return draw


def _draw_top100(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("counter", r["counter"])} for r in rows]
    return charts.lines(
        shown,
        words,
        x="year",
        y="n_biologic",
        series="series",
        title=words.say("axis.products_of_100"),
        threshold=None,
        form="d",
        height=220,
    )


def _draw_top100_sales(rows: Sequence[Row], words: Words) -> Any:
    shown = []
    for row in rows:
        who = words.texts.code("counter", row["counter"])
        shown.append({**row, "label": words.take(Pair(f"{who.en}, {row['year']}", f"{who.ja}、{row['year']}年"))})
    return charts.intervals(
        shown,
        words,
        label="label",
        low="share_low",
        high="share_high",
        middle="share_stated",
        title=words.say("axis.share_sales_top100"),
    )


def _draw_medicare(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("ruleset", r["ruleset_id"])} for r in rows]
    return charts.lines(
        shown,
        words,
        x="calendar_year",
        y="share_of_part_b",
        series="series",
        title=words.say("axis.share_part_b"),
        form=".0%",
    )


def _draw_top_rules(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.code("ruleset", r["ruleset_id"]), "group": words.code("ranking", r["ranking_rule_id"])}
        for r in rows
    ]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="n_biologic_low",
        high="n_biologic_high",
        middle="n_biologic",
        group="group",
        title=words.say("axis.products_of_10"),
        form="d",
        domain=(0, 10),
    )


def _draw_origin(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.code("country", r["country_iso3"]), "segment": words.code("nature", r["nature"])}
        for r in rows
    ]
    return charts.bars(
        shown,
        words,
        label="label",
        value="n_products",
        segment="segment",
        title=words.say("axis.products_of_100"),
        form="d",
    )


def _draw_sales_origin(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **row,
            "label": words.code("country", row["origin_iso3"]),
            "group": words.code("origin_market", row["market_iso3"]),
        }
        for row in rows
    ]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="share_sales",
        high="share_sales_high",
        group="group",
        title=words.say("axis.share_of_biologics"),
        domain=(0, 1),
    )


MARKET = (
    Figure(
        "market_share_rulesets",
        f"""select ruleset_id, share_sales, share_sales_high, sales_jpy, n_products, coverage_share,
       is_headline_ruleset,
       fiscal_year, {_SOURCED}
from mart_market_biologic_share
where scope_id = 'ndb_all_routes' and row_level = 'biologics_total' and market_iso3 = 'JPN'
  and fiscal_year = (select max(fiscal_year) from mart_market_biologic_share where scope_id = 'ndb_all_routes')
order by share_sales desc""",
        (
            "ruleset_id",
            "share_sales",
            "share_sales_high",
            "sales_jpy",
            "n_products",
            "coverage_share",
            "fiscal_year",
            "data_status",
        ),
        _by_ruleset("share_sales", "axis.share_sales_japan", high="share_sales_high"),
    ),
    Figure(
        "market_sales_trend",
        f"""select ruleset_id, fiscal_year, sales_jpy, share_sales, is_comparable, reason_code, coverage_share,
       {_SOURCED}
from mart_market_biologic_share
where scope_id = 'ndb_injection' and row_level = 'biologics_total' and market_iso3 = 'JPN'
order by ruleset_id, fiscal_year""",
        ("ruleset_id", "fiscal_year", "sales_jpy", "share_sales", "reason_code", "coverage_share", "data_status"),
        _draw_sales_trend,
    ),
    Figure(
        "market_price_volume",
        f"""select comparison_fiscal_year, fiscal_year, effect, effect_jpy, matched_sales_share,
       coverage_share, {_SOURCED}
from (
    select *, price_effect_jpy as price, volume_effect_jpy as volume, new_substance_effect_jpy as new_substance,
           presentation_effect_jpy + leaving_substance_effect_jpy + unmatched_effect_jpy as rest
    from mart_japan_biologics_market
    where scope_id = 'ndb_injection' and dimension = 'total' and is_headline_ruleset and price_effect_jpy is not null
) unpivot (effect_jpy for effect in (price, volume, new_substance, rest))
order by fiscal_year, case effect when 'price' then 1 when 'volume' then 2 when 'new_substance' then 3 else 4 end""",
        (
            "comparison_fiscal_year",
            "fiscal_year",
            "effect",
            "effect_jpy",
            "matched_sales_share",
            "coverage_share",
            "data_status",
        ),
        _draw_price_volume,
    ),
    Figure(
        "market_modalities",
        f"""select modality, share_of_biologics, sales_jpy, n_substances, coverage_share, fiscal_year, {_SOURCED}
from mart_japan_biologics_market
where scope_id = 'ndb_all_routes' and dimension = 'modality' and ruleset_id = 'broad'
  and fiscal_year = (select max(fiscal_year) from mart_japan_biologics_market where scope_id = 'ndb_all_routes')
  and share_of_biologics >= 0.01
order by sales_jpy desc""",
        (
            "modality",
            "share_of_biologics",
            "sales_jpy",
            "n_substances",
            "coverage_share",
            "fiscal_year",
            "data_status",
        ),
        _draw_share(
            "share_of_biologics",
            "axis.share_of_biologics",
            lambda row, words: words.code("modality", row["modality"]),
        ),
    ),
    Figure(
        "market_substances",
        f"""select member_title as substance_name_en, modality, share_of_biologics, sales_jpy, coverage_share,
       fiscal_year,
       {_SOURCED}
from mart_japan_biologics_market
where scope_id = 'ndb_all_routes' and dimension = 'substance' and is_headline_ruleset
  and fiscal_year = (select max(fiscal_year) from mart_japan_biologics_market where scope_id = 'ndb_all_routes')
order by sales_jpy desc
limit 15""",
        (
            "substance_name_en",
            "modality",
            "share_of_biologics",
            "sales_jpy",
            "coverage_share",
            "fiscal_year",
            "data_status",
        ),
        _draw_share(
            "share_of_biologics", "axis.share_of_biologics", lambda row, words: str(row["substance_name_en"])
        ),
    ),
    Figure(
        "top100_count",
        """select 'opir' as counter, cast(reference_period as integer) as year, value_stated as n_biologic,
       status as data_status, cast(reference_period as integer) as last_data_year, source_code as source_codes
from facts.claim
where metric = 'count_top100_biologic' and claimant like '%OPIR%'
union all
select 'echemi', cast(reference_period as integer), value_stated, status, cast(reference_period as integer),
       source_code
from facts.claim
where metric = 'count_top100_non_small_molecule'
union all
select 'meti', cast(reference_period as integer), claimed_stated, data_status, last_data_year, source_codes
from mart_policy_claim_check
where claim_id = 'meti_2021_top100_biologics'
order by counter, year""",
        ("counter", "year", "n_biologic", "data_status"),
        _draw_top100,
    ),
    Figure(
        "top100_sales_share",
        """select case when claimant like '%OPIR%' then 'opir' else 'echemi' end as counter,
       cast(reference_period as integer) as year, value_low as share_low, value_stated as share_stated,
       value_high as share_high, status as data_status, cast(reference_period as integer) as last_data_year,
       source_code as source_codes
from facts.claim
where metric in ('share_top100_sales_biologic', 'share_top100_sales_non_small_molecule')
order by year, counter desc""",
        ("counter", "year", "share_low", "share_stated", "share_high", "data_status"),
        _draw_top100_sales,
    ),
    Figure(
        "top10_rulesets",
        f"""select ranking_rule_id, year, ruleset_id, n_biologic_low, n_biologic, n_biologic_high, n_products,
       coverage_share,
       {_SOURCED}
from mart_top_products_biologic_share
where top_n = 10 and ranking_id in ('informa_2019_top10/2019', 'pmc_2016_top10/2016')
order by n_biologic desc, ruleset_id, year""",
        (
            "ranking_rule_id",
            "year",
            "ruleset_id",
            "n_biologic_low",
            "n_biologic",
            "n_biologic_high",
            "n_products",
            "data_status",
        ),
        _draw_top_rules,
    ),
    Figure(
        "origin_top100",
        """with counted as (
    select upper(split_part(claim_id, '_', 4)) as country_iso3, split_part(claim_id, '_', 5) as part,
       value_stated as n,
           status, source_code
    from facts.claim
    where metric in ('count_top100_origin', 'count_top100_origin_biologic') and reference_period = '2016'
)
select country_iso3, nature, n_products, data_status, 2016 as last_data_year, source_codes
from (
    select country_iso3, max(n) filter (part = 'biologic') as biologic,
           max(n) filter (part = 'total') - max(n) filter (part = 'biologic') as not_biologic,
           max(n) filter (part = 'total') as total, 'derived' as data_status, max(source_code) as source_codes
    from counted group by country_iso3
) unpivot (n_products for nature in (biologic, not_biologic))
order by total desc, country_iso3, nature""",
        ("country_iso3", "nature", "n_products", "data_status"),
        _draw_origin,
    ),
    Figure(
        "sales_by_origin",
        f"""select market_iso3, origin_iso3, share_sales, share_sales_high, n_substances, coverage_share, year,
       {_SOURCED}
from mart_sales_by_origin as sales
where is_headline_ruleset and origin_basis = 'originator' and scope_id in ('ndb_all_routes', 'medicare_part_b')
  and year = (select max(year) from mart_sales_by_origin as latest where latest.scope_id = sales.scope_id)
  and origin_iso3 in ('JPN', 'USA', 'CHE', 'DEU', 'DNK', 'GBR', 'FRA')
order by max(share_sales) over (partition by origin_iso3) desc, origin_iso3, market_iso3""",
        (
            "market_iso3",
            "origin_iso3",
            "share_sales",
            "share_sales_high",
            "n_substances",
            "coverage_share",
            "year",
            "data_status",
        ),
        _draw_sales_origin,
    ),
    Figure(
        "medicare_share",
        f"""select ruleset_id, calendar_year, share_of_part_b, sales_usd, coverage_share, {_SOURCED}
from mart_medicare_biologic
where dimension = 'total' and ruleset_id in ('antibodies_only', 'narrow', 'us_bla', 'recombinant_mark')
order by ruleset_id, calendar_year""",
        ("ruleset_id", "calendar_year", "share_of_part_b", "sales_usd", "coverage_share", "data_status"),
        _draw_medicare,
    ),
)

# ---- research ---------------------------------------------------------------------------------------------------


def _draw_two_windows(rows: Sequence[Row], words: Words) -> Any:
    return charts.pairs(
        _countries(rows, words),
        words,
        label="label",
        first="cagr_before",
        second="cagr_after",
        first_name="2014-2019",
        second_name="2019-2023",
        title=words.say("axis.real_growth"),
        form="+.0%",
        zero_line=True,
    )


def _draw_regression(rows: Sequence[Row], words: Words) -> Any:
    return charts.intervals(
        _countries(rows, words),
        words,
        label="label",
        low="growth_low",
        high="growth_high",
        middle="cagr_real",
        title=words.say("axis.real_growth"),
        form="+.0%",
        band=(-0.01, 0.01),
    )


def _draw_levels(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "bn": r["rnd_usd_ppp"] / 1e9} for r in _countries(rows, words)]
    return charts.bars(shown, words, label="label", value="bn", title=words.say("axis.usd_ppp_bn"), focus=_is_japan)


def _draw_index(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("country", r["country_iso3"])} for r in rows]
    return charts.lines(
        shown,
        words,
        x="year",
        y="index_2014",
        series="series",
        title=words.say("axis.index_2014"),
        height=300,
        form="d",
    )


def _draw_trap(rows: Sequence[Row], words: Words) -> Any:
    return charts.pairs(
        _countries(rows, words),
        words,
        label="label",
        first="cagr_real",
        second="cagr_current_usd_ppp",
        first_name=words.say("series.constant_prices"),
        second_name=words.say("series.current_ppp"),
        title=words.say("axis.growth"),
        form="+.0%",
        zero_line=True,
    )


def _draw_survey(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("series", r["series"]), "trillion": r["rnd_jpy"] / 1e12} for r in rows]
    return charts.lines(shown, words, x="year", y="trillion", series="series", title=words.say("axis.jpy_trillion"))


def _draw_companies(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "label": r["company_name"], "bn": r["rnd_eur"] / 1e9} for r in rows]
    return charts.bars(shown, words, label="label", value="bn", title=words.say("axis.eur_bn"), focus=_is_japan)


def _draw_gdp(rows: Sequence[Row], words: Words) -> Any:
    return charts.bars(
        _countries(rows, words),
        words,
        label="label",
        value="share_gdp",
        title=words.say("axis.share_gdp"),
        form=".1%",
        focus=_is_japan,
    )


def _draw_white(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.code("country", r["country_iso3"]), "segment": words.code("white_item", r["item_id"])}
        for r in rows
    ]
    return charts.bars(
        shown,
        words,
        label="label",
        value="share_of_biotechnology_rnd",
        segment="segment",
        title=words.say("axis.share_biotech_rnd"),
        form=".0%",
    )


def _draw_west(rows: Sequence[Row], words: Words) -> Any:
    return charts.bars(
        _countries(rows, words),
        words,
        label="label",
        value="cagr_real",
        title=words.say("axis.real_growth"),
        form="+.0%",
        focus=lambda row: row["cagr_real"] < -0.01,
    )


_HEADLINE = "is_headline_series and basis = 'international_statistics'"
_WEST = (
    "'AUT', 'BEL', 'CHE', 'DEU', 'DNK', 'ESP', 'FIN', 'FRA', 'GRC', 'IRL', 'ISL', 'ITA', 'NLD', 'NOR', 'PRT', 'SWE', "
    "'USA'"
)
_COMPARED = "'JPN', 'USA', 'CHN', 'KOR', 'DEU', 'CHE', 'FRA', 'DNK'"


def _draw_patents(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("country", r["country_iso3"])} for r in rows]
    return charts.lines(
        shown,
        words,
        x="last_year",
        y="share_of_world",
        series="series",
        title=words.say("axis.share_patents"),
        form=".0%",
        zero=True,
    )


def _draw_advantage(rows: Sequence[Row], words: Words) -> Any:
    return charts.pairs(
        _countries(rows, words),
        words,
        label="label",
        first="rta_biotechnology",
        second="rta_pharmaceuticals",
        first_name=words.say("series.biotechnology"),
        second_name=words.say("series.pharmaceuticals"),
        title=words.say("axis.rta"),
        form=None,
    )


RESEARCH = (
    Figure(
        "rnd_windows",
        f"""select country_iso3, max(cagr_real) filter (window_id = '2014-2019') as cagr_before,
       max(cagr_real) filter (window_id = '2019-2023') as cagr_after, min(coverage_share) as coverage_share,
       {_GATHERED}
from mart_rnd_growth
where {_HEADLINE} and is_usable and country_iso3 in ({_COMPARED})
  and window_id in ('2014-2019', '2019-2023')
group by country_iso3
order by cagr_before desc nulls last""",
        ("country_iso3", "cagr_before", "cagr_after", "coverage_share", "data_status"),
        _draw_two_windows,
    ),
    Figure(
        "rnd_west",
        f"""select country_iso3, cagr_real, loglinear_real, n_obs, n_expected, n_estimated, coverage_share, {_SOURCED}
from mart_rnd_growth
where {_HEADLINE} and is_comparable and window_id = '2014-2019' and country_iso3 in ({_WEST})
order by cagr_real desc""",
        (
            "country_iso3",
            "cagr_real",
            "loglinear_real",
            "n_obs",
            "n_expected",
            "n_estimated",
            "coverage_share",
            "data_status",
        ),
        _draw_west,
    ),
    Figure(
        "rnd_regression",
        f"""select country_iso3, exp(loglinear_slope - 2 * loglinear_real_se) - 1 as growth_low,
       loglinear_real, cagr_real,
       exp(loglinear_slope + 2 * loglinear_real_se) - 1 as growth_high, n_obs, coverage_share, {_SOURCED}
from (select *, ln(1 + loglinear_real) as loglinear_slope from mart_rnd_growth)
where {_HEADLINE} and is_comparable and window_id = '2010-2019' and country_iso3 in ({_COMPARED})
order by loglinear_real desc""",
        (
            "country_iso3",
            "growth_low",
            "loglinear_real",
            "growth_high",
            "cagr_real",
            "n_obs",
            "coverage_share",
            "data_status",
        ),
        _draw_regression,
    ),
    Figure(
        "rnd_level",
        f"""select country_iso3, rnd_usd_ppp, rank_among_reported, n_reported, year, publisher_flags, {_SOURCED}
from mart_rnd_level
where {_HEADLINE} and is_usable and rnd_usd_ppp is not null
  and year = (select max(year) from mart_rnd_level where {_HEADLINE} and n_reported >= 30)
order by rnd_usd_ppp desc
limit 12""",
        ("rank_among_reported", "country_iso3", "rnd_usd_ppp", "n_reported", "year", "data_status"),
        _draw_levels,
    ),
    Figure(
        "rnd_index",
        f"""with base as (
    select country_iso3, rnd_usd_ppp_2015 as base_value
    from mart_rnd_level
    where {_HEADLINE} and is_usable and year = 2014
)
select country_iso3, year, 100 * rnd_usd_ppp_2015 / base_value as index_2014, rnd_usd_ppp_2015, series_break,
       {_SOURCED}
from mart_rnd_level
join base using (country_iso3)
where {_HEADLINE} and is_usable and year >= 2010 and country_iso3 in ('JPN', 'USA', 'KOR', 'DEU', 'CHE', 'FRA')
  and rnd_usd_ppp_2015 is not null
order by case country_iso3 when 'JPN' then 0 else 1 end, country_iso3, year""",
        ("country_iso3", "year", "index_2014", "rnd_usd_ppp_2015", "series_break", "data_status"),
        _draw_index,
    ),
    Figure(
        "rnd_trap",
        f"""select country_iso3, cagr_real, cagr_current_usd_ppp, window_id, coverage_share, {_SOURCED}
from mart_rnd_growth
where {_HEADLINE} and is_comparable and window_id = '2010-2019' and country_iso3 in ({_COMPARED})
order by cagr_real desc""",
        ("country_iso3", "cagr_real", "cagr_current_usd_ppp", "coverage_share", "data_status"),
        _draw_trap,
    ),
    Figure(
        "rnd_publishers_agree",
        f"""select 'oecd' as series, year, rnd_lcu as rnd_jpy, ratio_to_national_survey as ratio_of_survey, {_SOURCED}
from mart_rnd_level
where {_HEADLINE} and country_iso3 = 'JPN' and year >= 2010 and rnd_lcu is not null
union all
select 'survey', year, rnd_lcu, null, {_SOURCED}
from mart_rnd_level
where basis = 'national_survey' and country_iso3 = 'JPN' and activity_code = 'C21' and year >= 2010
       and rnd_lcu is not null
order by series, year""",
        ("series", "year", "rnd_jpy", "ratio_of_survey", "data_status"),
        _draw_survey,
    ),
    Figure(
        "rnd_companies",
        f"""select company_name, headquarters_iso3, rnd_eur, rnd_intensity_ratio as rnd_over_revenue_share,
       rnd_rank, fiscal_year,
       {_SOURCED}
from mart_company_rnd_intensity
where row_level = 'company' and account_basis = 'scoreboard' and rnd_eur is not null
       and (rnd_rank <= 12 or headquarters_iso3 = 'JPN')
  and fiscal_year = (select max(fiscal_year) from mart_company_rnd_intensity where account_basis = 'scoreboard')
order by rnd_eur desc
limit 18""",
        (
            "rnd_rank",
            "company_name",
            "headquarters_iso3",
            "rnd_eur",
            "rnd_over_revenue_share",
            "fiscal_year",
            "data_status",
        ),
        _draw_companies,
    ),
    Figure(
        "rnd_gdp",
        f"""select country_iso3, share_gdp, year, {_SOURCED}
from mart_rnd_level
where basis = 'gdp_share' and (is_focus or country_iso3 in ('FRA', 'ISR', 'SWE', 'BEL', 'DNK'))
       and share_gdp is not null
qualify row_number() over (partition by country_iso3 order by year desc) = 1
order by share_gdp desc""",
        ("country_iso3", "share_gdp", "year", "data_status"),
        _draw_gdp,
    ),
    Figure(
        "patents_share",
        f"""select country_iso3, first_year, last_year, share_of_world, n_fractional, n_world, {_SOURCED}
from mart_patent_rta
where count_kind = 'family_granted' and field_code = '15' and share_of_world is not null
  and country_iso3 in ('JPN', 'USA', 'CHN', 'KOR', 'DEU', 'CHE', 'GBR', 'FRA')
order by case country_iso3 when 'JPN' then 0 else 1 end, country_iso3, last_year""",
        ("country_iso3", "first_year", "last_year", "share_of_world", "n_fractional", "n_world", "data_status"),
        _draw_patents,
    ),
    Figure(
        "patents_advantage",
        f"""select country_iso3, first_year, last_year, max(rta) filter (field_code = '15') as rta_biotechnology,
       max(rta) filter (field_code = '16') as rta_pharmaceuticals, max(n_all_fields) as n_all_fields,
       {_GATHERED}
from mart_patent_rta
where count_kind = 'family_granted' and last_year = (
      select max(last_year) from mart_patent_rta where count_kind = 'family_granted' and rta is not null)
  and country_iso3 in ('JPN', 'USA', 'CHN', 'KOR', 'DEU', 'CHE', 'GBR', 'FRA', 'DNK', 'BEL')
group by country_iso3, first_year, last_year
having rta_biotechnology is not null
order by rta_biotechnology desc""",
        (
            "country_iso3",
            "first_year",
            "last_year",
            "rta_biotechnology",
            "rta_pharmaceuticals",
            "n_all_fields",
            "data_status",
        ),
        _draw_advantage,
    ),
    Figure(
        "white_biotechnology",
        f"""select item_id, item_title as item_text, country_iso3, year, share_of_biotechnology_rnd,
       is_upper_bound, {_SOURCED}
from mart_white_biotechnology
where item_id in ('biotechnology_rnd_pharmaceuticals', 'biotechnology_rnd_outside_pharmaceuticals')
  and share_of_biotechnology_rnd is not null
order by country_iso3, item_id desc""",
        ("item_text", "country_iso3", "year", "share_of_biotechnology_rnd", "data_status"),
        _draw_white,
    ),
    Figure(
        "white_not_measured",
        f"""select item_title as item_text, country_iso3, reason_code, {_SOURCED}
from mart_white_biotechnology
where measurement = 'not_measured'
order by item_id, country_iso3""",
        ("item_text", "country_iso3", "reason_code"),
    ),
)

# ---- where it is made -------------------------------------------------------------------------------------------

_STATED_OVERSEAS = (0.85, 0.95)


def _draw_overseas(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **row,
            "label": words.code("overseas_row", row["basis"])
            if row["basis"] == "opir_2015_study"
            else words.code("ruleset", row["ruleset_id"]),
            "group": words.code("measure", row["measure"]),
        }
        for row in rows
    ]
    stated = rows[0]["claimed_low"], rows[0]["claimed_high"]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="share_overseas_low",
        high="share_overseas_high",
        group="group",
        band=stated,
        domain=(0, 1),
        title=words.say("axis.share_overseas"),
    )


def _draw_overseas_modality(rows: Sequence[Row], words: Words) -> Any:
    shown = _worded(rows, words, "modality", "modality", "label")
    return charts.intervals(
        shown,
        words,
        label="label",
        low="share_overseas_low",
        high="share_overseas_high",
        domain=(0, 1),
        title=words.say("axis.share_overseas"),
    )


def _draw_overseas_years(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **r,
            "label": words.take(Pair(f"FY{r['fiscal_year']}", f"{r['fiscal_year']}年度")),
            "group": words.code("measure", r["measure"]),
        }
        for r in rows
    ]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="share_overseas_low",
        high="share_overseas_high",
        group="group",
        domain=(0, 1),
        title=words.say("axis.share_overseas"),
    )


def _draw_lookup(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "label": str(r["substance_name_en"])} for r in rows]
    return charts.bars(
        shown, words, label="label", value="contribution_share", title=words.say("axis.narrows"), form=".0%"
    )


def _draw_evidence(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.code("ruleset", r["ruleset_id"]), "segment": words.code("evidence", r["evidence"])}
        for r in rows
    ]
    return charts.bars(
        shown,
        words,
        label="label",
        value="sales_share",
        segment="segment",
        title=words.say("axis.share_sales"),
        form=".0%",
    )


_OVERSEAS = "market_iso3 = 'JPN' and basis = 'warehouse_site_evidence'"

MANUFACTURING = (
    Figure(
        "overseas_share",
        """select share.basis, share.year, ruleset_id, measure, share_overseas_low, share_overseas_high,
       share.coverage_share,
       coverage_strength_share, evidence_grades, claimed_low, claimed_high, share.data_status, share.last_data_year,
       share.source_codes
from mart_overseas_manufacturing_share as share
cross join (select claimed_low, claimed_high from mart_policy_claim_check where claim_id = 'meti_2021_overseas_share')
where market_iso3 = 'JPN' and modality = 'all'
  and (share.basis = 'opir_2015_study' or (scope_id = 'ndb_all_routes' and year = (
      select max(year) from mart_overseas_manufacturing_share where scope_id = 'ndb_all_routes')))
order by share.basis, share_overseas_low desc""",
        (
            "basis",
            "ruleset_id",
            "year",
            "measure",
            "share_overseas_low",
            "share_overseas_high",
            "coverage_share",
            "coverage_strength_share",
            "data_status",
        ),
        _draw_overseas,
    ),
    Figure(
        "overseas_evidence",
        f"""select ruleset_id, evidence, sales_share, coverage_share, {_SOURCED}
from (
    select *, coverage_legal_document_share as legal_document,
       coverage_listing_one_country_share as listing_one_country,
           coverage_listing_several_countries_share as listing_several_countries, 1 - coverage_share as unknown
    from mart_overseas_manufacturing_share
    where {_OVERSEAS} and modality = 'all' and measure = 'value' and scope_id = 'ndb_all_routes'
      and year = (select max(year) from mart_overseas_manufacturing_share where scope_id = 'ndb_all_routes')
) unpivot (sales_share for evidence in (legal_document, listing_one_country, listing_several_countries, unknown))
order by coverage_share desc, ruleset_id, case evidence when 'legal_document' then 1 when 'listing_one_country' then 2
    when 'listing_several_countries' then 3 else 4 end""",
        ("ruleset_id", "evidence", "sales_share", "coverage_share", "data_status"),
        _draw_evidence,
    ),
    Figure(
        "overseas_modality",
        f"""select modality, share_overseas_low, share_overseas_high, coverage_share, sales_jpy, n_products,
       n_products_known, year,
       {_SOURCED}
from mart_overseas_manufacturing_share
where {_OVERSEAS} and is_headline_ruleset and measure = 'value' and scope_id = 'ndb_all_routes' and modality <> 'all'
  and year = (select max(year) from mart_overseas_manufacturing_share where scope_id = 'ndb_all_routes')
order by sales_jpy desc
limit 12""",
        (
            "modality",
            "share_overseas_low",
            "share_overseas_high",
            "coverage_share",
            "sales_jpy",
            "n_products",
            "n_products_known",
            "data_status",
        ),
        _draw_overseas_modality,
    ),
    Figure(
        "overseas_years",
        f"""select year as fiscal_year, measure, share_overseas_low, share_overseas_high, coverage_share,
       coverage_strength_share,
       weight_kg, sales_jpy, is_comparable, reason_code, {_SOURCED}
from mart_overseas_manufacturing_share
where {_OVERSEAS} and ruleset_id = 'antibodies_only' and scope_id = 'ndb_injection' and modality = 'all'
order by fiscal_year, measure""",
        (
            "fiscal_year",
            "measure",
            "share_overseas_low",
            "share_overseas_high",
            "coverage_share",
            "coverage_strength_share",
            "weight_kg",
            "sales_jpy",
            "reason_code",
            "data_status",
        ),
        _draw_overseas_years,
    ),
    Figure(
        "lookup_next",
        f"""select lookup_rank, substance_name_en, is_biosimilar, modality, contribution_share,
       cumulative_contribution_share,
       sales_jpy, holder_names as holder_original, reason_code, {_SOURCED}
from mart_overseas_lookup_product
where market_iso3 = 'JPN' and scope_id = 'ndb_all_routes' and is_headline_ruleset and contribution_share > 0
  and fiscal_year = (select max(fiscal_year) from mart_overseas_lookup_product where scope_id = 'ndb_all_routes')
order by lookup_rank
limit 15""",
        (
            "lookup_rank",
            "substance_name_en",
            "is_biosimilar",
            "modality",
            "contribution_share",
            "cumulative_contribution_share",
            "sales_jpy",
            "holder_original",
            "data_status",
        ),
        _draw_lookup,
    ),
)

# ---- contract manufacturing -------------------------------------------------------------------------------------


def _draw_cdmo_revenue(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "label": r["company_name"], "trillion": r["revenue_jpy"] / 1e12} for r in rows]
    return charts.bars(
        shown, words, label="label", value="trillion", title=words.say("axis.jpy_trillion"), focus=_is_japan
    )


def _draw_cdmo_path(rows: Sequence[Row], words: Words) -> Any:
    # Other companies stand behind every sum of reported revenue: its points are not joined.
    shown = [
        {
            **row,
            "series": words.code("scenario", row["scenario_id"]),
            "trillion": row["market_jpy"] / 1e12,
            "piece": row["year"] if row["scenario_id"] == "reported_sum" else 0,
        }
        for row in rows
    ]
    return charts.lines(
        shown, words, x="year", y="trillion", series="series", title=words.say("axis.jpy_trillion"), zero=True
    )


def _draw_capacity(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            "low": r["capacity_litres"],
            "high": r["capacity_litres"],
            "label": r["company_name"],
            "group": words.code("fact_kind", r["fact_kind"]),
            "data_status": r["data_status"],
        }
        for r in rows
    ]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="low",
        high="high",
        group="group",
        title=words.say("axis.litres"),
        form="~s",
        domain=(0, 900_000),
    )


def _draw_slide_shares(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "label": r["company_name"]} for r in rows]
    return charts.bars(
        shown,
        words,
        label="label",
        value="market_share",
        title=words.say("axis.share_stated"),
        form=".0%",
        focus=_is_japan,
    )


CONTRACT = (
    Figure(
        "cdmo_revenue",
        f"""select company_name, hq_iso3, revenue_jpy, share_of_listed, hhi_listed, year, period_label, {_SOURCED}
from mart_cdmo_landscape
where is_in_listed_set and revenue_jpy is not null and year = (
    select year from mart_cdmo_landscape where is_in_listed_set group by year order by count(*) desc,
       year desc limit 1)
order by revenue_jpy desc""",
        ("company_name", "hq_iso3", "revenue_jpy", "share_of_listed", "hhi_listed", "period_label", "data_status"),
        _draw_cdmo_revenue,
    ),
    Figure(
        "cdmo_path",
        f"""select scenario_id, year, market_jpy, is_base_year_assumed, n_companies, {_SOURCED}
from mart_cdmo_market_projection
where year <= 2030
union all
select distinct 'reported_sum', year, reported_listed_revenue_jpy, false, n_companies, 'derived', last_data_year,
       source_codes
from mart_cdmo_market_projection
where scenario_id = 'meti_500bn_base_2019' and reported_listed_revenue_jpy is not null
order by scenario_id, year""",
        ("scenario_id", "year", "market_jpy", "n_companies", "data_status"),
        _draw_cdmo_path,
    ),
    Figure(
        "cdmo_capacity",
        f"""select company_name, hq_iso3, fact_kind, period_label, site_name, site_country_iso3,
       capacity_litres, {_SOURCED}
from mart_cdmo_landscape
where metric = 'bioreactor_capacity' and hq_iso3 is not null and capacity_litres is not null and year >= 2020
order by company_name, period_label, fact_kind""",
        (
            "company_name",
            "hq_iso3",
            "fact_kind",
            "period_label",
            "site_name",
            "site_country_iso3",
            "capacity_litres",
            "data_status",
        ),
        _draw_capacity,
    ),
    Figure(
        "cdmo_slide_shares",
        f"""select company_name, hq_iso3, value as market_share, period_label, {_SOURCED}
from mart_cdmo_landscape
where metric = 'market_share'
order by value desc""",
        ("company_name", "hq_iso3", "market_share", "period_label", "data_status"),
        _draw_slide_shares,
    ),
)

# ---- regenerative medicine and pipeline -------------------------------------------------------------------------


def _draw_by_day(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            "low": r["n_approved"],
            "high": r["n_approved"],
            "label": words.code("agency", r["agency"]),
            "group": words.code("day_kind", f"{r['as_of_date'].year}_{'bound' if r['is_incomplete'] else 'count'}"),
        }
        for r in rows
    ]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="low",
        high="high",
        group="group",
        title=words.say("axis.products"),
        form="d",
        domain=(0, 40),
    )


def _draw_by_year(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("agency", r["agency"])} for r in rows]
    return charts.lines(
        shown,
        words,
        x="year",
        y="n_approved_cumulative",
        series="series",
        title=words.say("axis.products_cumulative"),
        form="d",
        zero=True,
    )


def _draw_kinds(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.code("agency", r["agency"]), "segment": words.code("product_kind", r["product_kind"])}
        for r in rows
    ]
    return charts.bars(
        shown, words, label="label", value="n_approved", segment="segment", title=words.say("axis.products"), form="d"
    )


def _draw_trials(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.code("country", r["country_iso3"]), "segment": words.code("stage", r["stage"])}
        for r in rows
    ]
    return charts.bars(
        shown, words, label="label", value="n_trials", segment="segment", title=words.say("axis.trials"), form="d"
    )


def _draw_cohorts(low: str, high: str, title: str) -> charts.Draw:
    def draw(rows: Sequence[Row], words: Words) -> Any:
        shown = [
            {
                **row,
                "label": words.take(
                    Pair(
                        f"{row['cohort_first_year']} to {row['cohort_last_year']}",
                        f"{row['cohort_first_year']}～{row['cohort_last_year']}年",
                    )
                ),
                "group": words.code("country", row["market_iso3"]),
            }
            for row in rows
        ]
        return charts.intervals(
            shown, words, label="label", low=low, high=high, group="group", title=words.say(title), domain=(0, 1)
        )

    return draw


def _draw_origins(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **row,
            "label": words.code("country", row["origin_iso3"]),
            "group": words.code("agency", row["agency"]),
        }
        for row in rows
    ]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="share_low",
        high="share_high",
        group="group",
        title=words.say("axis.share_substances"),
        domain=(0, 1),
    )


REGENERATIVE = (
    Figure(
        "regenerative_by_day",
        f"""select agency, as_of_date, n_approved, n_conditional, is_incomplete, reason_code, {_SOURCED}
from mart_regenerative_approval
where basis = 'approved_by_day' and product_kind = 'all'
order by as_of_date, is_incomplete, agency desc""",
        ("agency", "as_of_date", "n_approved", "n_conditional", "is_incomplete", "reason_code", "data_status"),
        _draw_by_day,
    ),
    Figure(
        "regenerative_by_year",
        f"""select agency, year, n_approved, n_approved_cumulative, {_SOURCED}
from mart_regenerative_approval
where basis = 'approved_in_year' and product_kind = 'all' and n_approved is not null
order by agency, year""",
        ("agency", "year", "n_approved", "n_approved_cumulative", "data_status"),
        _draw_by_year,
    ),
    Figure(
        "regenerative_register",
        f"""select company_name, site_name, role, clean_room_m2, as_of_date, n_listed_by_meti,
       n_cdmo_japan_in_register,
       coverage_share, confidence, {_SOURCED}
from mart_regenerative_cdmo_register
where is_in_japan
order by company_name, site_name""",
        (
            "company_name",
            "site_name",
            "role",
            "clean_room_m2",
            "n_listed_by_meti",
            "n_cdmo_japan_in_register",
            "coverage_share",
            "data_status",
        ),
    ),
    Figure(
        "regenerative_products",
        f"""select agency, product_name, product_kind, is_conditional, approved_on, holder_name, {_SOURCED}
from mart_regenerative_product
where agency = 'MHLW'
order by product_kind, product_name""",
        ("product_name", "product_kind", "is_conditional", "holder_name", "data_status"),
    ),
)

PIPELINE = (
    Figure(
        "launch_within",
        f"""select market_iso3, cohort_first_year, cohort_last_year, share_within_5_years_low,
       share_within_5_years_high,
       share_within_1_year_low, share_within_1_year_high, n_substances, n_available, as_of_date, {_SOURCED}
from mart_launch_lag_summary
where is_headline_ruleset and modality = 'all' and share_within_5_years_low is not null
  and (cohort_first_year, cohort_last_year) in ((1996, 2005), (2006, 2010), (2011, 2015), (2016, 2019))
order by cohort_first_year, case market_iso3 when 'JPN' then 1 when 'EUU' then 2 else 3 end""",
        (
            "market_iso3",
            "cohort_first_year",
            "cohort_last_year",
            "share_within_5_years_low",
            "share_within_5_years_high",
            "share_within_1_year_low",
            "share_within_1_year_high",
            "n_substances",
            "n_available",
            "data_status",
        ),
        _draw_cohorts("share_within_5_years_low", "share_within_5_years_high", "axis.share_arrived"),
    ),
    Figure(
        "launch_lost",
        f"""select market_iso3, cohort_first_year, cohort_last_year, share_lost, n_lost, n_substances,
       n_japanese_origin,
       as_of_date, {_SOURCED}
from mart_launch_lag_summary
where is_headline_ruleset and modality = 'all' and cohort_last_year <= 2019
  and (cohort_first_year, cohort_last_year) in ((1996, 2005), (2006, 2010), (2011, 2015), (2016, 2019))
order by cohort_first_year, case market_iso3 when 'JPN' then 1 when 'EUU' then 2 else 3 end""",
        (
            "market_iso3",
            "cohort_first_year",
            "cohort_last_year",
            "share_lost",
            "n_lost",
            "n_substances",
            "n_japanese_origin",
            "data_status",
        ),
        _draw_cohorts("share_lost", "share_lost", "axis.share_lost"),
    ),
    Figure(
        "launch_lost_substances",
        f"""select substance_name as substance_name_en, modality, first_foreign_on, observed_to, {_SOURCED}
from mart_launch_lag
where market_iso3 = 'JPN' and is_lost and first_foreign_year >= 2006
order by first_foreign_on desc, substance_name""",
        ("substance_name_en", "modality", "first_foreign_on", "observed_to", "data_status"),
    ),
    Figure(
        "approvals_origin",
        f"""select agency, origin_iso3, share_of_approvals as share_low,
       share_of_approvals + 1 - coverage_share as share_high,
       n_approved, n_all_origins, coverage_share, as_of_date, is_incomplete, {_SOURCED}
from mart_approvals_by_modality
where basis = 'listed_by_day' and licence_kind = 'new_substance' and is_headline_ruleset
  and row_level = 'biologics_total' and origin_basis = 'originator'
  and origin_iso3 in ('JPN', 'USA', 'DNK', 'DEU', 'CHE', 'GBR', 'FRA', 'KOR', 'CHN')
  and as_of_date = (select max(as_of_date) from mart_approvals_by_modality)
order by max(n_approved) over (partition by origin_iso3) desc, origin_iso3, agency desc""",
        (
            "agency",
            "origin_iso3",
            "share_low",
            "share_high",
            "n_approved",
            "n_all_origins",
            "coverage_share",
            "as_of_date",
            "is_incomplete",
            "data_status",
        ),
        _draw_origins,
    ),
    Figure(
        "pipeline_trials",
        f"""select country_iso3, stage, sum(n_trials) as n_trials, sum(n_trials_industry) as n_trials_industry,
       {_GATHERED}
from mart_regenerative_pipeline
where n_trials is not null and stage <> 'approved'
group by country_iso3, stage
order by country_iso3, stage""",
        ("country_iso3", "stage", "n_trials", "n_trials_industry", "data_status"),
        _draw_trials,
    ),
    Figure(
        "pipeline_approved",
        f"""select agency, product_kind, n_approved, as_of_date, is_incomplete, {_SOURCED}
from mart_regenerative_approval
where basis = 'approved_by_day' and product_kind not in ('all', 'cord_blood') and n_approved > 0
  and as_of_date = (select max(as_of_date) from mart_regenerative_approval)
order by agency desc, product_kind""",
        ("agency", "product_kind", "n_approved", "as_of_date", "is_incomplete", "data_status"),
        _draw_kinds,
    ),
)

# ---- policy -----------------------------------------------------------------------------------------------------


def _draw_events(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "label": words.text(r["event_text"]), "group": words.code("event_group", r["event_group"])}
        for r in rows
    ]
    return charts.timeline(shown, words, when="event_on", label="label", group="group")


def _draw_amounts(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "label": words.text(r["event_text"]), "trillion": r["amount_jpy"] / 1e12} for r in rows]
    return charts.bars(shown, words, label="label", value="trillion", title=words.say("axis.jpy_trillion"))


POLICY = (
    Figure(
        "policy_events",
        f"""select event_on, event_title as event_text, event_kind,
       case when event_kind in ('budget', 'call_applications', 'award', 'condition') then 'programme'
            when event_kind in ('statistics_change', 'series_marker') then 'statistics'
            when event_kind = 'project_milestone' then 'project' else 'review' end as event_group,
       body_name, amount_jpy, amount_kind, event_precision,
       {_SOURCED}
from mart_policy_timeline
where jurisdiction_iso3 = 'JPN'
order by event_on""",
        ("event_on", "event_text", "event_kind", "body_name", "amount_jpy", "amount_kind", "data_status"),
        _draw_events,
    ),
    Figure(
        "policy_dual_use",
        f"""select event_on, event_title as event_text, amount_kind, amount_jpy, amount_usd, n_projects,
       n_applications, {_SOURCED}
from mart_policy_timeline
where programme_name like '%dual-use%' and amount_jpy is not null
order by event_on, amount_kind""",
        (
            "event_on",
            "event_text",
            "amount_kind",
            "amount_jpy",
            "amount_usd",
            "n_projects",
            "n_applications",
            "data_status",
        ),
        _draw_amounts,
    ),
)

# ---- scorecard --------------------------------------------------------------------------------------------------


def _draw_scorecard(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **r,
            "label": words.text(r["indicator_text"]),
            "group": words.code("country", r["country_iso3"]) if r["is_named"] else None,
        }
        for r in rows
    ]
    return charts.strip(
        shown, words, label="label", value="minmax_0_100", group="group", title=words.say("axis.minmax")
    )


def _draw_ranks(rows: Sequence[Row], words: Words) -> Any:
    return charts.intervals(
        _countries(rows, words),
        words,
        label="label",
        low="rank_q05",
        high="rank_q95",
        middle="rank_nominal",
        title=words.say("axis.rank"),
        form="d",
    )


def _draw_sensitivity(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "label": words.text(r["factor_text"])} for r in rows]
    return charts.intervals(
        shown,
        words,
        label="label",
        low="effect_low_share",
        high="effect_high_share",
        middle="sobol_total_share",
        title=words.say("axis.sobol"),
        domain=(0, 1),
    )


SCORECARD = (
    Figure(
        "scorecard_strip",
        f"""select indicator_title as indicator_text, pillar, country_iso3, value, rank_best_first,
       n_countries, minmax_0_100, year,
       coverage_share, country_iso3 in ('JPN', 'USA', 'CHN', 'KOR', 'DEU', 'CHE') as is_named, {_SOURCED}
from mart_competitiveness_scorecard
where is_latest_year and minmax_0_100 is not null and is_in_composite
order by pillar, indicator_id, is_named, country_iso3""",
        (
            "indicator_text",
            "pillar",
            "country_iso3",
            "value",
            "rank_best_first",
            "n_countries",
            "minmax_0_100",
            "year",
            "data_status",
        ),
        _draw_scorecard,
    ),
    Figure(
        "composite_ranks",
        f"""select country_iso3, rank_q05, rank_nominal, rank_median, rank_q95, p_ahead_of_japan_share,
       n_countries, coverage_share,
       {_SOURCED}
from mart_composite_uncertainty
where rank_nominal is not null
order by rank_nominal, country_iso3""",
        (
            "country_iso3",
            "rank_q05",
            "rank_nominal",
            "rank_median",
            "rank_q95",
            "p_ahead_of_japan_share",
            "n_countries",
            "coverage_share",
            "data_status",
        ),
        _draw_ranks,
    ),
    Figure(
        "composite_sensitivity",
        f"""select factor_title as factor_text, sobol_total_order - sobol_total_order_margin as effect_low_share,
       sobol_total_order as sobol_total_share,
       sobol_total_order + sobol_total_order_margin as effect_high_share, n_runs,
       coverage_share, {_SOURCED}
from mart_composite_sensitivity
where sobol_total_order is not null
order by sobol_total_order desc""",
        ("factor_text", "effect_low_share", "sobol_total_share", "effect_high_share", "n_runs", "data_status"),
        _draw_sensitivity,
    ),
)

# ---- trade ------------------------------------------------------------------------------------------------------


def _draw_vaccines(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.code("flow", r["flow"]), "bn": r["trade_usd"] / 1e9} for r in rows]
    return charts.lines(shown, words, x="year", y="bn", series="series", title=words.say("axis.usd_bn"), zero=True)


def _draw_concentration(rows: Sequence[Row], words: Words) -> Any:
    shown = [{**r, "series": words.say("series.hhi")} for r in rows]
    return charts.lines(
        shown,
        words,
        x="year",
        y="hhi",
        series="series",
        title=words.say("axis.hhi"),
        threshold=0.4,
        zero=True,
        form=".1f",
    )


def _draw_mirror(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {
            **r,
            "label": words.code("country", r["exporter_iso3"]),
            "a": r["importer_report_usd"] / 1e6,
            "b": r["exporter_report_usd"] / 1e6,
        }
        for r in rows
    ]
    return charts.pairs(
        shown,
        words,
        label="label",
        first="a",
        second="b",
        first_name=words.say("series.importer_report"),
        second_name=words.say("series.exporter_report"),
        title=words.say("axis.usd_m_log"),
        form="~g",
        log=True,
    )


def _draw_supply(rows: Sequence[Row], words: Words) -> Any:
    piece, shown = 0, []
    for row in rows:
        piece += bool(row["series_break"])
        shown.append({**row, "series": words.say("series.import_share"), "piece": piece})
    return charts.lines(
        shown,
        words,
        x="year",
        y="import_share_of_supply",
        series="series",
        title=words.say("axis.import_share"),
        form=".0%",
        zero=True,
    )


TRADE = (
    Figure(
        "trade_vaccines",
        f"""select year, flow, trade_usd, normalised_balance, coverage_share,
       sum(cast(is_definition_break as integer)) over (partition by flow order by year) as piece, {_SOURCED}
from mart_trade_balance unpivot (trade_usd for flow in (export_usd, import_usd))
where country_iso3 = 'JPN' and basket_id = 'vaccines_human'
order by flow desc, year""",
        ("year", "flow", "trade_usd", "normalised_balance", "coverage_share", "data_status"),
        _draw_vaccines,
    ),
    Figure(
        "trade_concentration",
        f"""select year, hhi, n_effective, top1_supplier_iso3, top1_share, n_suppliers, reason_code, coverage_share,
       sum(cast(is_definition_break as integer)) over (order by year) as piece, {_SOURCED}
from mart_import_dependency
where country_iso3 = 'JPN' and basket_id = 'vaccines_human' and hhi is not null
order by year""",
        (
            "year",
            "hhi",
            "n_effective",
            "top1_supplier_iso3",
            "top1_share",
            "n_suppliers",
            "coverage_share",
            "data_status",
        ),
        _draw_concentration,
    ),
    Figure(
        "trade_mirror",
        f"""select exporter_iso3, year, importer_report_usd, exporter_report_usd, import_export_ratio, {_SOURCED}
from mart_mirror_gap
where importer_iso3 = 'JPN' and basket_id = 'vaccines_human' and reason_code is null
  and importer_report_usd > 0 and exporter_report_usd > 0
  and year = (select max(year) from mart_mirror_gap where importer_iso3 = 'JPN' and basket_id = 'vaccines_human'
              and reason_code is null)
order by importer_report_usd desc""",
        ("exporter_iso3", "year", "importer_report_usd", "exporter_report_usd", "import_export_ratio", "data_status"),
        _draw_mirror,
    ),
    Figure(
        "diagnostics",
        f"""select item_title as item_text, country_iso3, year,
       case when currency = 'JPY' then value_lcu end as value_jpy, share_of_total, reason_code, {_SOURCED}
from mart_diagnostics
where country_iso3 = 'JPN'
order by item_id, year""",
        ("item_text", "year", "value_jpy", "share_of_total", "reason_code", "data_status"),
    ),
    Figure(
        "trade_not_loaded",
        f"""select basket_title as basket_text, min(year) as first_year, max(year) as last_year,
       max(coverage_share) as coverage_share,
       max(reason_code) as reason_code,
       {_GATHERED}
from mart_trade_balance
where country_iso3 = 'JPN' and export_usd is null and import_usd is null
group by basket_title
order by basket_title""",
        ("basket_text", "first_year", "last_year", "coverage_share", "reason_code"),
    ),
    Figure(
        "supply_share",
        f"""select year, import_share_of_supply, self_sufficiency_ratio, production_value as production_jpy,
       import_value as import_jpy,
       export_value as export_jpy, series_break, coverage_share, {_SOURCED}
from mart_supply_self_sufficiency
where country_iso3 = 'JPN' and basket_id = 'all_medicines_survey' and import_share_of_supply is not null
order by year""",
        (
            "year",
            "import_share_of_supply",
            "self_sufficiency_ratio",
            "production_jpy",
            "import_jpy",
            "export_jpy",
            "series_break",
            "data_status",
        ),
        _draw_supply,
    ),
)

THEMES: dict[str, tuple[Figure, ...]] = {
    "market": MARKET,
    "research": RESEARCH,
    "manufacturing": MANUFACTURING,
    "contract": CONTRACT,
    "regenerative": REGENERATIVE,
    "pipeline": PIPELINE,
    "policy": POLICY,
    "scorecard": SCORECARD,
    "trade": TRADE,
}

# Which figure draws a statement, and which theme's page has more; a statement without a figure has nothing to draw.
STATEMENTS: dict[str, tuple[str, str | None]] = {
    "meti_2021_world_share_rising": ("market", "top100_sales_share"),
    "meti_2021_top100_biologics": ("market", "top100_count"),
    "meti_2021_japan_sales_rising": ("market", "market_sales_trend"),
    "meti_2021_overseas_share": ("manufacturing", "overseas_share"),
    "meti_2021_rnd_west_rising": ("research", "rnd_west"),
    "meti_2021_rnd_china_rising": ("research", "rnd_path_chn"),
    "meti_2021_rnd_japan_sluggish": ("research", "rnd_path_jpn"),
    "meti_2021_biologics_competitiveness": ("market", "origin_top100"),
    "meti_2021_diagnostics_competitiveness": ("trade", "diagnostics"),
    "meti_2021_cdmo_market_size": ("contract", "cdmo_path"),
    "meti_2021_cdmo_growth": ("contract", None),
    "meti_2021_cdmo_leaders": ("contract", "cdmo_slide_shares"),
    "meti_2021_regenerative_cdmo_few": ("regenerative", "regenerative_by_day"),
    "meti_2021_investigational_scale_few": ("regenerative", None),
    "meti_2021_smart_cell": ("research", "white_biotechnology"),
}

# ---- countries --------------------------------------------------------------------------------------------------

COUNTRIES_SQL = """select country_iso3, count(distinct indicator_id) as n_indicators
from mart_competitiveness_scorecard
where is_latest_year and value is not null
group by country_iso3, is_focus
having is_focus or country_iso3 = 'FRA' or count(distinct indicator_id) >= 12
order by country_iso3 <> 'JPN', is_focus desc, n_indicators desc, country_iso3"""


def _draw_path(rows: Sequence[Row], words: Words) -> Any:
    shown = [
        {**r, "series": words.code("country", r["country_iso3"]), "bn": r["rnd_usd_ppp_2015"] / 1e9} for r in rows
    ]
    return charts.lines(
        shown,
        words,
        x="year",
        y="bn",
        series="series",
        title=words.say("axis.usd_ppp_2015_bn"),
        zero=True,
        height=200,
    )


_PATH = Figure(
    "rnd_path",
    f"""select country_iso3, year, rnd_usd_ppp_2015, rnd_usd_ppp, rank_among_reported, n_reported, series_break,
       sum(cast(series_break as integer)) over (order by year) as piece, {_SOURCED}
from mart_rnd_level
where {_HEADLINE} and is_usable and country_iso3 = '{{country}}' and year >= 2005 and rnd_usd_ppp_2015 is not null
order by year""",
    ("year", "rnd_usd_ppp_2015", "rnd_usd_ppp", "rank_among_reported", "n_reported", "series_break", "data_status"),
    _draw_path,
)

_CARD = Figure(
    "country_card",
    f"""select indicator_title as indicator_text, pillar, value, unit as unit_text, year, rank_best_first,
       n_countries, minmax_0_100,
       is_in_composite, reason_code, coverage_share, {_SOURCED}
from mart_competitiveness_scorecard
where country_iso3 = '{{country}}' and is_latest_year
order by pillar, indicator_id""",
    (
        "pillar",
        "indicator_text",
        "value",
        "unit_text",
        "year",
        "rank_best_first",
        "n_countries",
        "minmax_0_100",
        "data_status",
    ),
)

_GROWTH = Figure(
    "country_growth",
    f"""select window_id, cagr_real, loglinear_real, n_obs, n_expected, reason_code, coverage_share, {_SOURCED}
from mart_rnd_growth
where {_HEADLINE} and country_iso3 = '{{country}}'
order by window_id""",
    (
        "window_id",
        "cagr_real",
        "loglinear_real",
        "n_obs",
        "n_expected",
        "reason_code",
        "coverage_share",
        "data_status",
    ),
)


def country_figures(country: str) -> tuple[Figure, ...]:
    """Figures of a country's page."""
    return tuple(
        replace(
            figure,
            figure_id=f"{figure.figure_id}_{country.lower()}",
            sql=figure.sql.format(country=country),
            texts=figure.figure_id,
            subject=country,
        )
        for figure in (_CARD, _PATH, _GROWTH)
    )
