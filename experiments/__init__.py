"""One question per folder: each experiment has a config, a run, and a README with its command, hardware and result."""
