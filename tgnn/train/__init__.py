"""Training: losses, schedules, the guarded step, checkpoints and logs."""
