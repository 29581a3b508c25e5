"""Source eurostat_prodcom: sold production of medicines by country; see source.yml."""
