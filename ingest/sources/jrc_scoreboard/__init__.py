"""EU Industrial R&D Investment Scoreboard."""
