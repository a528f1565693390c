"""Subject extractors: the new subject that an instruction names."""
