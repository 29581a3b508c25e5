"""SEC, Financial Statement Data Sets: revenue of biopharma filers by product and market, and their R&D spending."""
