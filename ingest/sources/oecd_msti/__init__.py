"""OECD Main Science and Technology Indicators."""
