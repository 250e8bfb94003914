"""Training: losses, schedules, the guarded step, the loop around it, checkpoints and logs."""
