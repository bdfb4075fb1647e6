"""Options of the sub-commands, one module each, that ``--help`` needs no torch for."""
