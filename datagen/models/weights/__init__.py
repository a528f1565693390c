"""What all models with weights share: where weights come from, how they are loaded, how batches fit into memory."""
