"""Product ideas that are turned into prototypes, scored by checks that no agent ever sees."""
