"""Source un_comtrade; see source.yml."""
