"""Stages that the benchmarks measure the engine with."""
