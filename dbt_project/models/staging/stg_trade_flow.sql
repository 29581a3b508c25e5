{{ latest_edition('trade_flow') }}
