"""Records, fields, stages, options and errors: what all other packages import."""
