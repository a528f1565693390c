"""What a worker does with a slice: runs its stages, keeps its state, commits its samples."""
