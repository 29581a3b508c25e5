"""Malformed inputs, made by us: what each is, why it must not be taken, and the error that says so.

`inputs.py` is the list, `build.py` makes the bytes (deterministic, small, synthetic: no publisher's file is here),
and `test_corpus.py` loads each into an installation that holds a release.
"""
