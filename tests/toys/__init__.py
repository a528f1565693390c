"""Small stages that tests build pipelines of: real stages, cheap work."""
