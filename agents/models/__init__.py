"""Model backends, one module each. Only the composition root (`orchestrator.compose`) builds one."""
