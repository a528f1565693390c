"""Image-text scorers: how well a picture and a text match."""
