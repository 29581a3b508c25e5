{{ config(materialized='view') }}
-- Imports and exports in US dollars as published, each publisher apart. Re-exports and re-imports are part of exports
-- and imports, and are not taken again. A reconciled export is also the partner's import (is_import_too).
select
    source_code || case
        when source_code = 'un_comtrade' and hs_revision = 'HS' and period_basis = 'month' then '_retired_monthly'
        when source_code = 'un_comtrade' and hs_revision = 'HS' then '_retired_annual'
        when source_code = 'un_comtrade' and period_basis = 'month' then '_monthly'
        when source_code = 'un_comtrade' then '_annual'
        when period_basis = 'month' then '_monthly'
        else ''
    end as publisher,
    cast(extract(year from period_start) as int) as year,
    reporter_iso3,
    partner_iso3,
    hs_revision as hs_revision_as_published,
    hs_code,
    flow,
    valuation,
    period_basis,
    period_start,
    value_usd,
    is_mirror as is_reconciled,
    is_mirror and flow = 'export' and partner_iso3 <> 'WLD' as is_import_too,
    cast({{ regexp_part('note', 'months_reported=([0-9]+)') }} as int) as months_stated,
    status,
    source_code,
    edition_id
from {{ ref('stg_trade_flow') }}
where flow in ('import', 'export') and value_usd is not null
