{{ latest_edition('trial_site') }}
