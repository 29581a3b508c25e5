"""SEC, annual reports in Inline XBRL: revenue by product and market on the day of filing."""
