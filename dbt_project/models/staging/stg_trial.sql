{{ latest_edition('trial') }}
