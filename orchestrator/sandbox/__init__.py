"""Running generated code so that it can harm nothing: one port, several layers, tried out before each run."""
