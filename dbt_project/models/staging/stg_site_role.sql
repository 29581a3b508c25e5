{{ latest_edition('site_role') }}
