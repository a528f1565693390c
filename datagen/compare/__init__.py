"""Two datasets side by side: which records were gained and lost, where, and what else is different."""
