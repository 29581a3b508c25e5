{{ latest_edition('area_code') }}
