"""Source cms_part_b: Medicare Part B spending by drug; see source.yml."""
