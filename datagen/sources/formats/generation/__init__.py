"""Sources for subject-driven generation: pictures with grounded captions, and pairs of pictures of one object."""
