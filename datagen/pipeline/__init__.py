"""From a config file to a checked graph of stages."""
