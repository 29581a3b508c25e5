"""Events of policy on Japan's biopharmaceutical industry, curated."""
