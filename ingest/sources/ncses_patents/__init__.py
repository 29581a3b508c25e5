"""Patents by country and technical field, as NCSES counts them."""
