"""Aesthetic predictors: how much people would like a picture."""
