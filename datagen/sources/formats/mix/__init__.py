"""The source `mix`: samples of several finished datasets of datagen, by weights and caps."""
