{{ latest_edition('commodity_concordance') }}
