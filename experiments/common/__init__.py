"""What the experiments share: command lines, results, tables, runs of many seeds, batches."""
