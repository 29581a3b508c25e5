"""For every check of the lake, one thing that is wrong with otherwise good data."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from data_quality.specs import CheckSpec
from ingest.source import discover
from tests.quality.good_lake import distinguishing_columns, edition_id


@dataclass(frozen=True)
class Breakage:
    """Assignments to up to three good rows of one edition (`a`, `b`, `c`), or statements for the whole file.

    `count` is how many unexpected rows the check must then find: no more and no fewer, so that a breakage that
    trips another check, or is hidden by one, shows.
    """

    a: str | None = None
    b: str | None = None
    c: str | None = None
    statements: tuple[str, ...] = ()
    count: int = 1

    @property
    def assignments(self) -> list[str]:
        """What is set in each of the rows."""
        return [text for text in (self.a, self.b, self.c) if text is not None]


_SERIES_JUMP = "period_start = date '2020-01-01', period_end = date '2020-12-31'"
_NOT_A_YEAR = "period_basis = 'calendar_year', period_end = period_start + 40"

# By check name, where one breakage fits every table that has the check.
_EVERY_TABLE = {
    "required": Breakage("series_break = null"),
    "blank_text": Breakage("note = ' '"),
    "status__allowed": Breakage("status = 'guessed'"),
    "value_origin__allowed": Breakage("value_origin = 'hearsay'"),
    "lineage_shape": Breakage("file_sha256 = 'abc'"),
    "publication_order": Breakage("published_on = current_date + 5, ingested_at = current_date + 9"),
    "transcription_cited": Breakage("value_origin = 'transcribed', document_url = null"),
    "computed_marked": Breakage("value_origin = 'computed'"),
    "period_order": Breakage("period_end = period_start - 1"),
    "currency_shape": Breakage("currency = 'Yen'"),
    "columns": Breakage(statements=("alter table lake.{table} add column surprise integer",)),
    "edition_shrunk": Breakage(
        statements=("update lake.edition set previous_row_count = 1000 where table_name = '{table}' and {p1}",)
    ),
    "edition_grown": Breakage(
        statements=("update lake.edition set previous_row_count = 1 where table_name = '{table}' and {p2}",)
    ),
    "quarantine_share": Breakage(
        statements=("update lake.edition set rows_quarantined = 5000 where table_name = '{table}' and {p3}",)
    ),
    "quarantined": Breakage(
        statements=("update lake.edition set rows_quarantined = 5 where table_name = '{table}' and {p4}",),
        count=2,  # this one and that of quarantine_share
    ),
    "edition_conserved": Breakage(
        statements=("update lake.edition set row_count = row_count + 1 where table_name = '{table}' and {p5}",)
    ),
    # The row that no longer names its file (lineage_shape) is one that the file has lost.
    "file_conserved": Breakage(),
    "quarantine_conserved": Breakage(
        statements=(
            "insert into lake.quarantine (source_code, edition_id, table_name) "
            "select source_code, edition_id, table_name from lake.edition where table_name = '{table}' and {p7}",
        ),
        count=3,  # this one, and those of quarantine_share and quarantined
    ),
    "freshness": Breakage(
        statements=(
            "update lake.edition set published_on = current_date - 401 "
            "where table_name = '{table}' and source_code = 'example_b'",
        )
    ),
    "sources_present": Breakage(
        statements=(
            "delete from lake.{table} where source_code = '{declared}'",
            "delete from lake.edition where table_name = '{table}' and source_code = '{declared}'",
        )
    ),
}

_BY_CHECK = {
    # sales_observation
    "sales_observation__finite": Breakage("value = 'inf'"),
    "sales_observation__row_kind__allowed": Breakage("row_kind = 'sample', product_code = null"),
    "sales_observation__quantity__minimum": Breakage("quantity = -3, value = null"),
    "sales_observation__unit_price__minimum": Breakage("unit_price = -7.5, value = null"),
    "sales_observation__period_length": Breakage("period_end = period_start + 40"),
    "sales_observation__value_is_price_times_quantity": Breakage("value = value * 1.00001"),
    "sales_observation__value_not_negative": Breakage("value = -5, price_basis = 'payer_gross'"),
    "sales_observation__suppressed_is_null": Breakage("status = 'suppressed', quantity = 0, value = 0"),
    "sales_observation__sums_name_no_product": Breakage("row_kind = 'total'"),
    "sales_observation__remainder_is_derived": Breakage(
        "row_kind = 'remainder', product_code = null, status = 'derived'"
    ),
    "sales_observation__total_not_beside_itself": Breakage(
        "row_kind = 'total', product_code = null, class_code = 'T'", "class_code = 'T'", "class_code = 'T'"
    ),
    "sales_observation__one_currency_per_market": Breakage(
        "currency = 'USD', market_iso3 = 'USA'", "currency = 'EUR', market_iso3 = 'USA'"
    ),
    # The good rows are in yen, so a wrong code is also a second currency of its market.
    "sales_observation__currency_shape": Breakage("currency = 'Yen', market_iso3 = 'KOR'"),
    # product_identity
    "product_identity__finite": Breakage("listed_price = 'inf'"),
    "product_identity__listed_on_plausible": Breakage("listed_on = published_on + 400"),
    "product_identity__approved_before_listed": Breakage("approved_on = listed_on + 1"),
    "product_identity__price_has_currency": Breakage("listed_price_currency = null"),
    "product_identity__price_positive": Breakage("listed_price = 0"),
    "product_identity__currency_shape": Breakage("listed_price_currency = '円'"),
    "product_identity__recombinant_mark_kept": Breakage("is_recombinant_marked = null"),
    # rnd_observation
    "rnd_observation__finite": Breakage("value = 'nan'"),
    "rnd_observation__period_length": Breakage(_NOT_A_YEAR),
    "rnd_observation__value_not_negative": Breakage("value = -1"),
    "rnd_observation__share_range": Breakage("measure = 'rnd_sales_share', unit = 'share', value = 3.4"),
    "rnd_observation__gdp_share_plausible": Breakage("measure = 'gerd_gdp_share', unit = 'share', value = 0.34"),
    "rnd_observation__unit_fits_measure": Breakage("measure = 'researchers'"),
    "rnd_observation__currency_fits_unit": Breakage("currency = 'JPY'"),
    "rnd_observation__currency_shape": Breakage("currency = 'Yen', unit = 'currency'"),
    "rnd_observation__country_known": Breakage("entity_code = 'EUU'"),
    "rnd_observation__suppressed_is_null": Breakage("status = 'suppressed', value = 0"),
    "rnd_observation__no_unit_jump": Breakage(
        "activity_code = 'J'", f"activity_code = 'J', value = value * 1000, {_SERIES_JUMP}"
    ),
    # production_observation
    "production_observation__finite": Breakage("value = 'inf'"),
    "production_observation__period_length": Breakage(_NOT_A_YEAR),
    "production_observation__value_not_negative": Breakage("value = -1"),
    "production_observation__suppressed_is_null": Breakage("status = 'suppressed', value = 0"),
    # trade_flow
    "trade_flow__key": Breakage("hs_code = '999999'", "hs_code = '999999'"),
    "trade_flow__finite": Breakage("value_usd = 'inf'"),
    "trade_flow__period_length": Breakage(_NOT_A_YEAR),
    "trade_flow__hs_code_shape": Breakage("hs_code = '300'"),
    "trade_flow__hs_revision_shape": Breakage("hs_revision = 'HS2013'"),
    "trade_flow__reporter_is_a_country": Breakage("reporter_iso3 = 'WLD'"),
    "trade_flow__partner_is_another": Breakage("partner_iso3 = reporter_iso3"),
    "trade_flow__world_covers_partners": Breakage(
        "hs_code = '300220', partner_iso3 = 'WLD'", "hs_code = '300220'", "hs_code = '300220', partner_iso3 = 'USA'"
    ),
    "trade_flow__suppressed_is_null": Breakage("status = 'suppressed', value_usd = 0"),
    "trade_flow__value__minimum": Breakage("value = -1"),
    "trade_flow__value_in_one_way": Breakage("value_usd = null, value = null, currency = null"),
    "trade_flow__value_has_currency": Breakage("currency = null"),
    # commodity_concordance
    "commodity_concordance__key": Breakage(
        "from_code = '300299', to_code = '300299', relationship = 'n:n', is_conversion = false",
        "from_code = '300299', to_code = '300299', relationship = 'n:n', is_conversion = false",
    ),
    "commodity_concordance__code_shape": Breakage("from_code = '3002'"),
    "commodity_concordance__newer_to_older": Breakage("from_revision = 'HS2012', to_revision = 'HS2017'"),
    "commodity_concordance__one_conversion_per_code": Breakage(
        "from_code = '300298', relationship = 'n:n'", "from_code = '300298', relationship = 'n:n'"
    ),
    "commodity_concordance__upward_is_exact": Breakage("is_conversion = false"),
    "commodity_concordance__relationship__allowed": Breakage("relationship = 'zz'"),
    # site_role
    "site_role__evidence_names_its_object": Breakage("product_name = null"),
    "site_role__place_has_country": Breakage("country_iso3 = null, note = null"),
    "site_role__site_in_a_country": Breakage("country_iso3 = 'EUU'"),
    "site_role__one_country_per_site": Breakage("site_id = 'X'", "site_id = 'X', country_iso3 = 'USA'"),
    # company_fact
    "company_fact__finite": Breakage("value = 'inf'"),
    "company_fact__metric__allowed": Breakage("metric = 'mood'"),
    "company_fact__unit__allowed": Breakage("unit = 'barrels', currency = null, value = null"),
    "company_fact__period_complete": Breakage("period_start = null"),
    "company_fact__unit_fits_metric": Breakage("metric = 'bioreactor_capacity'"),
    "company_fact__currency_fits_unit": Breakage("currency = null"),
    "company_fact__value_not_negative": Breakage("value = -1"),
    "company_fact__share_range": Breakage("metric = 'market_share', unit = 'share', currency = null, value = 33"),
    "company_fact__actual_lies_in_the_past": Breakage("period_end = published_on + 40"),
    "company_fact__plan_is_not_reported": Breakage("fact_kind = 'plan'"),
    "company_fact__future_is_forecast": Breakage(
        "fact_kind = 'announced', status = 'derived', period_end = published_on + 900"
    ),
    # deal
    "deal__finite": Breakage("value = 'inf'"),
    "deal__value_positive": Breakage("value = 0"),
    "deal__value_has_currency": Breakage("currency = null"),
    "deal__two_parties": Breakage("target_name = acquirer_name"),
    "deal__closed_lies_in_the_past": Breakage("deal_on = published_on + 1"),
    "deal__asset_countries_known": Breakage("asset_iso3 = 'USA,Utopia'"),
    # reference_rate
    "reference_rate__key": Breakage("area_code = 'ZZK'", "area_code = 'ZZK'"),
    "reference_rate__period_order": Breakage("period_end = period_start - 1, observation_count = null"),
    "reference_rate__finite": Breakage("value = 'inf'"),
    "reference_rate__series_code__allowed": Breakage(
        "series_code = 'cpi', counter_code = null, area_kind = 'aggregate'"
    ),
    "reference_rate__area_kind__allowed": Breakage(
        "area_kind = 'planet', series_code = 'ppp_gdp', counter_code = null"
    ),
    "reference_rate__period_length": Breakage("period_basis = 'fiscal_year_april'"),
    "reference_rate__value_positive": Breakage("value = 0"),
    "reference_rate__growth_is_a_fraction": Breakage(
        "series_code = 'gdp_deflator_growth', area_kind = 'country', area_code = 'JPN', counter_code = null, "
        "value = -2"
    ),
    "reference_rate__fx_names_both_currencies": Breakage("counter_code = area_code"),
    "reference_rate__country_known": Breakage(
        "series_code = 'ppp_gdp', area_kind = 'country', area_code = 'EUU', counter_code = null"
    ),
    "reference_rate__average_rests_on_days": Breakage("observation_count = 400"),
    "reference_rate__average_between_neighbours": Breakage(
        "area_code = 'ZZJ'", f"area_code = 'ZZJ', value = value * 100, {_SERIES_JUMP}"
    ),
    "reference_rate__suppressed_is_null": Breakage("status = 'suppressed'"),
    # trial
    "trial__key": Breakage("nct_id = 'NCT99999999'", "nct_id = 'NCT99999999'"),
    "trial__nct_id_shape": Breakage("nct_id = 'NCT1'"),
    "trial__study_type__allowed": Breakage("study_type = 'zz', phase = null"),
    "trial__dates_have_precision": Breakage("start_precision = null"),
    "trial__completion_after_start": Breakage("completion_on = date '2018-01-01'"),
    "trial__interventions_in_pairs": Breakage("intervention_types = null"),
    "trial__phase_of_interventional": Breakage("study_type = 'OBSERVATIONAL'"),
    # policy_event
    "policy_event__finite": Breakage("amount = 'inf'"),
    "policy_event__application_count__minimum": Breakage("application_count = -1, project_count = null"),
    "policy_event__amount_complete": Breakage("amount_kind = null"),
    "policy_event__amount_positive": Breakage("amount = 0"),
    "policy_event__event_id_shape": Breakage("event_id = 'Event One'"),
    "policy_event__recorded_after_it_happened": Breakage("event_on = published_on + 1, fiscal_year = null"),
    "policy_event__precision_fits_the_day": Breakage(
        "event_on = date '2019-02-02', event_precision = 'month'",
        "event_on = date '2019-02-01', event_precision = 'year'",
        count=2,
    ),
    "policy_event__fiscal_year_of_the_day": Breakage("fiscal_year = 2019"),
    # Outside Japan, where a fiscal year follows no rule that the other check knows.
    "policy_event__fiscal_year__minimum": Breakage("fiscal_year = 0, jurisdiction_iso3 = 'USA'"),
    "policy_event__no_more_projects_than_applications": Breakage("project_count = 2"),
    # trial_site
    "trial_site__key": Breakage("nct_id = 'NCT99999999', site_number = 2", "nct_id = 'NCT99999999', site_number = 2"),
    "trial_site__nct_id_shape": Breakage("nct_id = 'NCT1'"),
    "trial_site__numbered_from_one": Breakage(
        "site_number = 7",
        count=2,  # this one and the number below 1
    ),
    "trial_site__country_known": Breakage("country_name = 'Utopia', country_iso3 = null"),
    # company_identity
    "company_identity__key": Breakage(f"identifier = '{'Z' * 18}99'", f"identifier = '{'Z' * 18}99'"),
    "company_identity__scheme__allowed": Breakage("scheme = 'zz', identifier = 'E99999'"),
    "company_identity__identifier_shape": Breakage("identifier = '12345'"),
    "company_identity__parent_is_another": Breakage("parent_identifier = identifier"),
    "company_identity__address_in_a_country": Breakage("headquarters_iso3 = 'EUU'"),
    "company_identity__dates_in_order": Breakage("registered_on = last_updated_on + 1"),
    "company_identity__company_known": Breakage("company_id = 'nobody'"),
    "company_identity__other_name_has_kind": Breakage("other_name_kind = null"),
    # patent_count
    "patent_count__key": Breakage("entity_code = 'ZZZ'", "entity_code = 'ZZZ'"),
    "patent_count__finite": Breakage("value = 'inf'"),
    "patent_count__value__minimum": Breakage("value = -1"),
    "patent_count__countries_have_codes": Breakage("entity_code = 'jp'"),
    "patent_count__period_is_a_year": Breakage("period_end = date '2019-06-30'"),
    "patent_count__no_country_above_the_world": Breakage(
        "entity_kind = 'aggregate', entity_code = 'WLD', field_code = '99', value = 10",
        "field_code = '99', value = 11",
    ),
    # area_code
    "area_code__key": Breakage("code = '998'", "code = '998'"),
    "area_code__m49_shape": Breakage("code = '4'"),
    "area_code__countries_have_iso_codes": Breakage("kind = 'country', iso2 = 'JP'"),
    "area_code__parent_listed": Breakage("parent_code = '999'"),
    # claim
    "claim__claim_kind__allowed": Breakage("claim_kind = 'rumour', is_seed_claim = false"),
    "claim__finite": Breakage("unit = 'count', value_low = 'inf', value_stated = 'inf', value_high = 'inf'", count=3),
    "claim__interval_order": Breakage("value_stated = 0.99"),
    "claim__interval_complete": Breakage("value_high = null"),
    "claim__tolerance_stated": Breakage("tolerance_rule = null"),
    "claim__share_range": Breakage("value_low = 85, value_stated = 90, value_high = 95"),
    "claim__direction_is_a_sign": Breakage("unit = 'direction', value_low = 1, value_stated = 2, value_high = 2"),
    "claim__number_has_unit": Breakage("unit = 'none'"),
    "claim__currency_fits_unit": Breakage("currency = 'JPY'"),
    "claim__currency_shape": Breakage("currency = 'Yen', unit = 'currency'"),
    "claim__claim_id_shape": Breakage("claim_id = 'Claim 1'"),
    "claim__seed_is_policy": Breakage("claim_kind = 'study_result'"),
}


def breakage(spec: CheckSpec) -> Breakage | None:
    """The breakage of a check, or None if nobody has written one."""
    if spec.check_id in _BY_CHECK:
        return _BY_CHECK[spec.check_id]
    name = spec.check_id.removeprefix(f"{spec.table_name}__")
    if name in _EVERY_TABLE:
        return _EVERY_TABLE[name]
    if name == "key":
        same = ", ".join(f"{column} = 'twin'" for column in distinguishing_columns(spec.table_name))
        return Breakage(same, same)
    if name.endswith("__allowed"):
        return Breakage(f"{spec.column_name} = 'zz'")
    if name.endswith("__minimum"):
        return Breakage(f"{spec.column_name} = -1")
    if name.endswith("__country"):
        return Breakage(f"{spec.column_name} = 'QQQ'")
    return None


def break_table(connection: duckdb.DuckDBPyConnection, table: str, specs: list[CheckSpec]) -> dict[str, int]:
    """Break every check of one table, each in rows of its own; returns the expected counts by check id."""
    free = _rows_by_edition(connection, table)
    expected = {}
    late: list[str] = []
    bundling = sorted(c for c, source in discover().items() if (source.edition_dir / f"{table}.csv").exists())
    declared = bundling[0] if bundling else "nobody"
    places = {f"p{n}": f"edition_id = '{edition_id('example_a', f'p{n}')}'" for n in range(8)}
    for spec in specs:
        broken = breakage(spec)
        if broken is None:
            continue
        expected[spec.check_id] = broken.count
        if broken.assignments:
            rows = _take(free, len(broken.assignments))
            for assignment, locator in zip(broken.assignments, rows, strict=True):
                connection.execute(f"update lake.{table} set {assignment} where locator = ?", [locator])
        late += [text.format(table=table, declared=declared, **places) for text in broken.statements]
    for statement in late:
        connection.execute(statement)
    return expected


def _rows_by_edition(connection: duckdb.DuckDBPyConnection, table: str) -> list[list[str]]:
    found = connection.execute(
        f"select list(locator order by locator) from lake.{table} where source_code like 'example%' "
        "group by edition_id order by 1"
    ).fetchall()
    return [list(row[0]) for row in found]


def _take(free: list[list[str]], count: int) -> list[str]:
    """Rows of the edition that has most left, so that breakages of several rows find them together."""
    fullest = max(free, key=len)
    return [fullest.pop() for _ in range(count)]
