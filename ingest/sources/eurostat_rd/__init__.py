"""Eurostat R&D expenditure."""
