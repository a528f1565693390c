"""Worlds: scenes and edits whose truth is known, rendered from a specification of a few numbers.

All of it is integer arithmetic over draws from Philox, so that a world has the same bytes on every machine.

- `specification`: what a world or a scene is made from. `pool`, `photographs`, `colours`, `sprites`: what things look
  like. `scene`: things on a background, rendered.
- Sessions of edits: `session`, from `script`, `layout`, `conflicts`, `damage` and `wording`.
- Scenes of graphs: `graph_appearance` (what nodes look like), `scene_grid`, `graph_layout` and `changed_layout` (where
  things stand), `graph_scene` (the scene of a graph, of a step of a plan, of a spoilt graph), `scene_rows` (what is
  true of it), `inspected_scenes` (the sample of a judged step).
"""
