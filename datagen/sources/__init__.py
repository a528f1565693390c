"""Sources: readers of files and datasets, whose rows become the records of a pipeline."""
