"""The command line, ``torch-afm``."""
