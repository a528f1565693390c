"""What all models with weights share: where the weights come from, how they are loaded, how batches fit."""
