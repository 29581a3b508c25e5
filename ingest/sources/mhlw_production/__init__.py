"""Source mhlw_production: production and imports of medicines in Japan, curated; see source.yml."""
