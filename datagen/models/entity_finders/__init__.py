"""Entity finders: the things that a caption names, and where they are."""
