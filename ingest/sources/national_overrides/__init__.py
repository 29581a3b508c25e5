"""National R&D figures that international statistics miss, curated."""
