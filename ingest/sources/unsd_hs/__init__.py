"""Source unsd_hs; see source.yml."""
