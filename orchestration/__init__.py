"""Dagster assets, the release and the `biopharma` command: thin callers of plain functions."""
