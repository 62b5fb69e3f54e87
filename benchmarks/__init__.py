"""Measurements that anybody can repeat; each module says how."""
