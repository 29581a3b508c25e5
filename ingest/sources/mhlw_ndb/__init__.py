"""MHLW NDB Open Data: quantities and prices of medicines that the Japanese health insurance paid for."""
