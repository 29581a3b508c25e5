"""Great Expectations suites and their runner. Runs without Dagster."""
