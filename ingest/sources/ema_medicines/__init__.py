"""EMA medicines table: centrally authorised medicines, with status, marks and dates."""
