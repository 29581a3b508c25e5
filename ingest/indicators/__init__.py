"""What SQL cannot do for the indicators: outliers, simulation, sensitivity, economic complexity.

Pure functions on numpy arrays, without Dagster, dbt or DuckDB. Rows are countries and columns are indicators (or
products); a missing value is NaN. Formulas follow the OECD/JRC Handbook on Constructing Composite Indicators (2008)
and, where it leaves a choice, the module's own description says which was taken.
"""
