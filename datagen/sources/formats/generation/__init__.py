"""Published datasets for subject-driven generation: captions with boxes, and pairs of one object."""
