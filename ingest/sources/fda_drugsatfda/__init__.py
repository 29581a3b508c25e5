"""Drugs@FDA: applications, their products, and the original approval."""
