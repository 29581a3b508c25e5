"""FDA register of drug establishments: who is registered where, and for which operations."""
