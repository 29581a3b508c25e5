"""Published rankings of medicines by company-reported sales, curated: single figures, each cited with its page."""
