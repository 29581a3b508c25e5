"""What METI's article of 2021 and the studies around it assert, curated statement by statement."""
