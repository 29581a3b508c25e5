"""EPAR Annex II: manufacturers of the biological active substance and of batch release, curated by hand."""
