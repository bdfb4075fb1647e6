"""Options of the sub-commands, a module each. They need no torch, so that ``--help`` is quick."""
