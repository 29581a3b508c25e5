"""Faults put into the pipeline on purpose. `python -m tests.chaos` (make chaos) runs the long form."""
