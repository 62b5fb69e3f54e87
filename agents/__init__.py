"""The agents: one module each, one prompt template each (``prompts/``), one runner for all."""
