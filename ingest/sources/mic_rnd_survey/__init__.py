"""Japan, Survey of Research and Development: pharmaceutical manufacturing, curated from reports of the releases."""
