"""Sources whose pictures are drawn: sessions of edits (`world`) and scenes of graphs (`scenes`)."""
