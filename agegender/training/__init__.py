"""Training of a network: Lightning module and Trainer, task balance, optimizers, schedules, fine-tuning, loggers."""
