"""Source health_canada_dpd; see source.yml."""
