"""Contract manufacturers of biologics: revenue, capacity, deals and statements on the market, curated."""
