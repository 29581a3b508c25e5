{{ latest_edition('product_identity') }}
