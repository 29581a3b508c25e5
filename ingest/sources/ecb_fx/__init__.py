"""ECB: euro foreign exchange reference rates."""
