"""Source cms_part_d: Medicare Part D spending by drug; see source.yml."""
