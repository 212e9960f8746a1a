"""What training adds to a network: the Lightning shell, task balance, optimizers, schedules and run directories."""
