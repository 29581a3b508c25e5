"""Source cepii_baci; see source.yml."""
