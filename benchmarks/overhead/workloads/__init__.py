"""The same workload on each candidate. Each module is run by its own environment and prints one line of JSON."""
