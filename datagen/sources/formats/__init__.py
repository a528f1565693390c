"""Sources for published datasets, each in its own layout, and for finished datasets of datagen."""
