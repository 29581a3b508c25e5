"""One folder per source; see `ingest.source`."""
