"""What was really measured: the sandbox, the tests, static analysis, the running program."""
