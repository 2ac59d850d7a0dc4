"""Mutated files and requests against a running server: each gets an answer, no 5xx but a documented one."""
