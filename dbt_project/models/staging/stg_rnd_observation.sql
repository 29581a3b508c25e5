{{ latest_statement(
    'rnd_observation',
    "case when rows_of_edition.lens = 'filer' then rows_of_edition.entity_code || ' ' || rows_of_edition.activity_scheme end"
) }}
