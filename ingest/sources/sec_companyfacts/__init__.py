"""SEC, company facts: revenue and R&D spending of biopharma companies as first filed and as restated."""
