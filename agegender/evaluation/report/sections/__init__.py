"""One section of the report a file: each has ``section(evidence)``, which gives None where the test has nothing for it."""
