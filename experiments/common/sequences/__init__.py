"""What the experiments on classes of sentences share: batches of graphs, four models, and the training."""
