"""Five analyses on the current release, as a marimo notebook: `biopharma notebook` opens a copy of it."""
# ruff: noqa: PLR1711 (marimo ends every cell with what it returns)

import marimo

app = marimo.App(width="medium", app_title="Five analyses")


@app.cell(hide_code=True)
def _(mo, release):
    mo.md(
        f"""
        # Five analyses

        Each asks the current release of the warehouse (**{release.name}**) and draws what it answers. The file is
        opened read-only; change a query and its chart follows. What a column means stands in `catalog.columns` and in
        the release's `dictionary/index.html`.
        """
    )
    return


@app.cell
def _():
    import altair as alt
    import duckdb
    import marimo as mo

    from ingest.settings import Settings
    from orchestration import reader

    release = reader.current_dir(Settings.from_env())
    warehouse = duckdb.connect(str(release / "warehouse.duckdb"), read_only=True)
    warehouse.execute("set search_path = 'marts,facts,vocabulary,quality,catalog'")

    def ask(sql):
        """The answer to a query as a Polars frame."""
        return warehouse.sql(sql).pl()

    def status_line(*marts):
        """What stands under a chart: the tables behind it, their last data year and their licences."""
        lines = []
        for mart in marts:
            about = ask(f"select last_data_year, licences from catalog.tables where table_name = '{mart}'").row(0)
            lines.append(f"`{mart}`, last data year {about[0]}. Licences: {about[1]}.")
        return mo.md("  \n".join(lines))

    return alt, ask, mo, release, status_line


@app.cell(hide_code=True)
def _(mo):
    mo.md(
        """
        ## 1. How far is Japan's market for injections biologic?

        It depends on what counts as a biologic. Each rule set of `vocabulary.modality_ruleset` is a line; the range
        between the lines is the part of the answer that is definition, not data. FY2014 lists fewer products for each
        class than later years and is left out; FY2015 and FY2017 are not in the bundled edition.
        """
    )
    return


@app.cell
def _(alt, ask, mo, status_line):
    market = ask("""
        select s.fiscal_year, r.title as rule_set, s.share_sales, s.is_headline_ruleset
        from mart_market_biologic_share as s
        inner join modality_ruleset as r using (ruleset_id)
        where s.scope_id = 'ndb_injection' and s.row_level = 'biologics_total' and s.is_comparable
        order by all
    """)
    market_chart = (
        alt.Chart(market, title="Share of biologics in injections at NHI prices", width=520, height=300)
        .mark_line(point=True)
        .encode(
            x=alt.X("fiscal_year:O", title="Fiscal year", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share_sales:Q", title="Share of sales", axis=alt.Axis(format="%"), scale=alt.Scale(zero=True)),
            color=alt.Color("rule_set:N", title="What counts", legend=alt.Legend(labelLimit=300)),
            strokeWidth=alt.condition("datum.is_headline_ruleset", alt.value(4), alt.value(1.5)),
            tooltip=["fiscal_year", "rule_set", alt.Tooltip("share_sales", format=".1%")],
        )
    )
    mo.vstack([market_chart, status_line("mart_market_biologic_share")])
    return (market_chart,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(
        """
        ## 2. What share of the biologics sold in Japan is made overseas?

        No public file says where a medicine sold in Japan is made. The bar is what sites recorded for the United
        States and Europe allow (evidence of grade E): its left end counts only what is known to be made overseas, its
        right end also all of which nothing is known. The points are OPIR's study of antibodies sold in 2015, which
        looked product by product.
        """
    )
    return


@app.cell
def _(alt, ask, mo, status_line):
    overseas = ask("""
        select coalesce(r.title, 'OPIR, antibodies') || ', ' || o.year as counted, o.measure,
            o.share_overseas_low, o.share_overseas_high, o.coverage_share, o.basis
        from mart_overseas_manufacturing_share as o
        left join modality_ruleset as r using (ruleset_id)
        where o.modality = 'all'
            and (o.basis = 'opir_2015_study' or (o.year = 2019 and o.scope_id = 'ndb_all_routes'))
        order by all
    """)
    intervals = alt.Chart(overseas).encode(
        y=alt.Y("counted:N", title=None, axis=alt.Axis(labelLimit=320)),
        tooltip=[
            "counted",
            alt.Tooltip("share_overseas_low", format=".1%"),
            alt.Tooltip("share_overseas_high", format=".1%"),
            alt.Tooltip("coverage_share", format=".1%", title="coverage"),
        ],
    )
    overseas_chart = (
        alt.layer(
            intervals.transform_filter("datum.basis != 'opir_2015_study'")
            .mark_bar(height=10)
            .encode(
                x=alt.X(
                    "share_overseas_low:Q",
                    title="Share made overseas",
                    axis=alt.Axis(format="%"),
                    scale=alt.Scale(domain=[0, 1]),
                ),
                x2="share_overseas_high:Q",
            ),
            intervals.transform_filter("datum.basis == 'opir_2015_study'")
            .mark_point(size=90, filled=True, color="#b5362c")
            .encode(x="share_overseas_low:Q"),
        )
        .properties(width=420)
        .facet(row=alt.Row("measure:N", title=None))
        .resolve_scale(y="independent")
        .properties(title="Interval of the share made overseas, by value and by weight")
    )
    mo.vstack([overseas_chart, status_line("mart_overseas_manufacturing_share")])
    return (overseas_chart,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(
        """
        ## 3. Who spends how much on pharmaceutical R&D, and how fast does it grow?

        R&D that the industry performs on a country's territory, in constant international dollars of 2015. Growth is
        given only where the series has no break between the two years; a missing bar is not a zero.
        """
    )
    return


@app.cell
def _(alt, ask, mo, status_line):
    countries = "('JPN', 'USA', 'CHN', 'KOR', 'DEU', 'CHE', 'FRA')"
    levels = ask(f"""
        select year, country_name_en as country, rnd_usd_ppp_2015 / 1e9 as rnd_bn, data_status
        from mart_rnd_level
        where is_headline_series and basis = 'international_statistics' and rnd_usd_ppp_2015 is not null
            and country_iso3 in {countries}
        order by all
    """)
    growth = ask(f"""
        select country_name_en as country, window_id, cagr_real
        from mart_rnd_growth
        where is_headline_series and basis = 'international_statistics' and cagr_real is not null
            and window_id in ('2014-2019', '2019-2023') and country_iso3 in {countries}
        order by all
    """)
    level_chart = (
        alt.Chart(levels, title="Pharmaceutical business R&D (logarithmic)", width=520, height=300)
        .mark_line(point=alt.OverlayMarkDef(size=12))
        .encode(
            x=alt.X("year:O", title=None),
            y=alt.Y("rnd_bn:Q", title="Billion international dollars of 2015", scale=alt.Scale(type="log")),
            color=alt.Color("country:N", title=None),
            tooltip=["country", "year", alt.Tooltip("rnd_bn", format=".2f"), "data_status"],
        )
    )
    growth_chart = (
        alt.Chart(growth, title="Real growth per year", width=520)
        .mark_bar()
        .encode(
            y=alt.Y("country:N", title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X("cagr_real:Q", title="Real growth per year", axis=alt.Axis(format="%")),
            yOffset="window_id:N",
            color=alt.Color("window_id:N", title="Years"),
            tooltip=["country", "window_id", alt.Tooltip("cagr_real", format=".1%")],
        )
    )
    mo.vstack([level_chart, growth_chart, status_line("mart_rnd_level", "mart_rnd_growth")])
    return growth_chart, level_chart


@app.cell(hide_code=True)
def _(mo):
    mo.md(
        """
        ## 4. Who makes biologics for others?

        Reported revenue of the perimeters that are listed (`is_in_listed_set`), in yen at the year's average rate. No
        list is complete: a year with fewer bars has fewer reports at hand, not a smaller market, so shares are shown
        in the mart only for years with at least two perimeters.
        """
    )
    return


@app.cell
def _(alt, ask, mo, status_line):
    cdmo = ask("""
        select year, company_name, revenue_jpy / 1e9 as revenue_bn, share_of_listed, n_listed, document_url
        from mart_cdmo_landscape
        where is_in_listed_set
        order by all
    """)
    cdmo_chart = (
        alt.Chart(cdmo, title="Revenue from contract manufacturing of biologics", width=520, height=280)
        .mark_bar()
        .encode(
            x=alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0)),
            xOffset="company_name:N",
            y=alt.Y("revenue_bn:Q", title="Billion yen"),
            color=alt.Color("company_name:N", title=None),
            tooltip=[
                "company_name",
                "year",
                alt.Tooltip("revenue_bn", format=",.0f"),
                alt.Tooltip("share_of_listed", format=".1%"),
                "n_listed",
            ],
        )
    )
    mo.vstack([cdmo_chart, status_line("mart_cdmo_landscape")])
    return (cdmo_chart,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(
        """
        ## 5. Which of METI's statements hold?

        Each statement of February 2021 is tested under every definition that it may have meant. A long bar with a
        cautious verdict says that the answer hangs on the definition.
        """
    )
    return


@app.cell
def _(alt, ask, mo, status_line):
    claims = ask("""
        select display_order, claim_id, statement_en, verdict, definition_count, finding_en
        from mart_policy_claim_check
        order by display_order
    """)
    claim_chart = (
        alt.Chart(claims, title="Statements by verdict and number of definitions tested", width=320)
        .mark_bar()
        .encode(
            y=alt.Y("statement_en:N", sort=alt.SortField("display_order"), title=None, axis=alt.Axis(labelLimit=520)),
            x=alt.X("definition_count:Q", title="Definitions tested"),
            color=alt.Color("verdict:N", title="Verdict"),
            tooltip=["statement_en", "verdict", "finding_en"],
        )
    )
    mo.vstack(
        [
            claim_chart,
            mo.ui.table(claims.select("statement_en", "verdict", "finding_en").to_dicts(), selection=None),
            status_line("mart_policy_claim_check"),
        ]
    )
    return (claim_chart,)


if __name__ == "__main__":
    app.run()
