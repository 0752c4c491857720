"""How a step runs: command line, log, progress, signals, locks, temporary files, and what reruns when code changes.

Nothing here can change a number, so an edit of these modules reruns nothing: fingerprint.py leaves them out. A function
that computes something has no place among them.
"""
