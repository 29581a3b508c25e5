{{ latest_edition('reference_rate') }}
