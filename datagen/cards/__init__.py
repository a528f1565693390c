"""Records as sheets to look at: pictures, outlines, boxes, words and history on a page or in a picture."""
