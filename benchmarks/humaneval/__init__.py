"""HumanEval, by several ways to solve a problem."""
