"""What came out of a run, as one page that opens from disk: numbers, pictures, and why."""
