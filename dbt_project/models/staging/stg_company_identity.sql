{{ latest_edition('company_identity') }}
