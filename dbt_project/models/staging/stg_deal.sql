{{ latest_edition('deal') }}
