"""NCSES business R&D of the United States."""
