{{ latest_edition('policy_event') }}
