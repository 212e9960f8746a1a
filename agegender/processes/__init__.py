"""Several processes (ranks) in one training job: starting and ending them, and what each knows about the job."""
