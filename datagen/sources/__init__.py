"""Where records come from: rows in an order that never changes."""
