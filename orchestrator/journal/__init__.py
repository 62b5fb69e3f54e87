"""The log is the journal: records of calls and facts, and the chained audit log."""
