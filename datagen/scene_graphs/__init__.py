"""Scene graphs: which objects a picture shows, what they are like, and how they stand to each other.

Graphs are values without pictures: `datagen.worlds` renders them, `datagen.models.scene_checkers` holds pictures to
them. The modules in the order in which they build on each other:

- `graph`: a graph, its nodes and relations, and its atoms, which a picture shows or not. `positions`: when two boxes
  stand to each other as a relation says. `canonical`: what a graph says, whatever its ids and order are.
- Words: `lexicon` (the words that the rules know), `noun_phrases` (a node as words and back), `wording` (a graph as a
  caption; names of nodes), `reading` (a caption as a graph).
- `checks`: which graphs are unsound, or too simple or complex. `drawing`: random sound graphs.
- Edits: `edits` (and graphs after them), `edit_words` (as instructions and back), `differences` (which ones lead from
  one graph to another).
- Plans: `vocabulary` (what else there might be), `plans` (parts of a graph, and the steps that lead to it).
- Faults that are made: `fault_atoms` (which atoms fail), `critique_sentences`, `faults` (one fault of a graph, with
  critique and correction), `inspections` (a step of a plan, spoilt or not).
- Faults that are found: `matching` (which thing of a picture is which node, and which atoms hold), `observed` (critique
  and correction from these verdicts).
"""
