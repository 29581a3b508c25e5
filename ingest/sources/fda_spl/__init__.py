"""DailyMed labels (SPL): establishments and operations that a label names."""
