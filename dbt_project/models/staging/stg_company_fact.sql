{{ latest_edition('company_fact') }}
