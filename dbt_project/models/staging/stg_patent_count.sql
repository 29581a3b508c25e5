{{ latest_edition('patent_count') }}
