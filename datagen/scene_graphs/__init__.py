"""Scene graphs: which objects a picture shows, what they are like, and how they stand to each other.

Graphs are values without pictures. They are read from words and written as words, checked, cut into plans of several
steps, and spoilt by one known fault. `datagen.worlds` renders them; `datagen.models.scene_checkers` holds pictures to
them.
"""
