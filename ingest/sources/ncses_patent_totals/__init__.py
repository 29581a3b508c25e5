"""Patents of all technical fields by country, curated from NCSES's table."""
