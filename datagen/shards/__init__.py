"""What a dataset is on disk: its samples, parts, shards and index, written and read."""
