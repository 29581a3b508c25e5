"""FDA NDC directory: finished medicines as labelers list them, with the marketing category."""
