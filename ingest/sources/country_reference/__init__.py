"""The UN's list of countries and areas (M49) with their ISO 3166 codes."""
