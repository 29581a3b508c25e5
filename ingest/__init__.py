"""From publishers' bytes to canonical rows in the lake. Runs without Dagster."""
