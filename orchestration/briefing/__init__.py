"""The briefing: a release's figures as a folder of pages that opens from disk, in English and Japanese.

`site.write` makes it from a release's published tables. Nothing here computes a figure: every number is the answer of
a query in `catalogue`, and that query and its rows stand beside the chart.
"""
