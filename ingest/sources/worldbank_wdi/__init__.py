"""World Bank, World Development Indicators: R&D share of GDP, purchasing power parities, deflators."""
