"""Source mof_customs; see source.yml."""
