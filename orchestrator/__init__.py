"""The control loop and all that it needs. Start reading at `orchestrator.run_loop`."""
