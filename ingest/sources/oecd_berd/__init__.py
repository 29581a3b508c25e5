"""OECD business R&D by industry (BERD)."""
