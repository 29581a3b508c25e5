-- Trials of regenerative, gene and cell products by the names of their interventions: the words and stems that also
-- sort approved products. The registry's own types do not tell (a cell product may be DRUG, BIOLOGICAL or GENETIC).
with trials as (
    select
        nct_id,
        phase,
        overall_status,
        start_on,
        lead_sponsor_name,
        lead_sponsor_class,
        lower(intervention_names) as names,
        intervention_types,
        source_code,
        edition_id,
        status
    from {{ ref('stg_trial') }}
    where study_type = 'INTERVENTIONAL'
)

select
    *,
    case
        when {{ regexp_part('names', '(repvec|oncolytic (?:virus|herpes|adeno))') }} is not null then 'oncolytic_virus'
        when {{ regexp_part('names',
            '(leucel|autotemcel|car-?t|chimeric antigen receptor|stem cell|stromal cell|nk cells?|til therapy|remestemcel)') }}
            is not null then 'cell_therapy'
        when {{ regexp_part('names', '(chondrocyte|keratinocyte|cell sheet|tissue engineered)') }} is not null
            then 'tissue_product'
        when {{ regexp_part('names', '(parvovec|[a-z]gene [a-z]+vec|gene therapy|perplasmid|aav[0-9]|lentivir)') }} is not null
            or '|' || replace(intervention_types, ' ', '') || '|' like '%|GENETIC|%'
            then 'gene_therapy'
    end as product_kind
from trials
where
    {{ regexp_part('names',
        '(repvec|oncolytic (?:virus|herpes|adeno)|leucel|autotemcel|car-?t|chimeric antigen receptor|stem cell|stromal cell|nk cells?|til therapy|remestemcel|chondrocyte|keratinocyte|cell sheet|tissue engineered|parvovec|[a-z]gene [a-z]+vec|gene therapy|perplasmid|aav[0-9]|lentivir)'
    ) }} is not null
    or '|' || replace(intervention_types, ' ', '') || '|' like '%|GENETIC|%'
