{{ latest_edition('claim') }}
