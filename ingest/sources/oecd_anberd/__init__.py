"""OECD ANBERD: business R&D by industry, harmonised across countries."""
