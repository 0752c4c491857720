"""Endings of the names of ECG files; what a file is read as, its content tells (ecg/read.py)."""

ECG_ENDINGS = (".xml", ".hea", ".dcm", ".scp", ".edf", ".bdf")
