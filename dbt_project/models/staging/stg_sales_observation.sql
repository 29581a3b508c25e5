{{ latest_statement('sales_observation', 'rows_of_edition.seller_code') }}
