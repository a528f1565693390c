"""Main-subject judges: whether an edit changes the main subject of a picture."""
