"""Sheets of single records: pictures with outlines and boxes, texts and history, as an HTML page or one picture."""
