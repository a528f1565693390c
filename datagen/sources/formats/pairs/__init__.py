"""Sources for datasets of edits: pairs of a source and a target picture with an instruction."""
