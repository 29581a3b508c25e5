"""e-Stat: Survey of Research and Development of Japan."""
