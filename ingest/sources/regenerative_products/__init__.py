"""Japanese approvals of regenerative medical products, curated by hand."""
