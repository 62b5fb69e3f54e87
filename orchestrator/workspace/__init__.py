"""The folders of a run, and the generated project as a git repository."""
