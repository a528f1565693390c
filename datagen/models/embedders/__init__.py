"""Image embedders: one vector a picture; similar pictures lie close."""
