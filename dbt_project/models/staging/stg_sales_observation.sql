{# A report to Japan's FSA states segments for two years and the company for five: a later report that repeats the
   company's year without its segments does not replace them. #}
{{ latest_statement(
    'sales_observation',
    "rows_of_edition.seller_code || coalesce(case when rows_of_edition.class_scheme = 'edinet_segment' then ' by segment' end, '')"
) }}
