{{ latest_edition('production_observation') }}
