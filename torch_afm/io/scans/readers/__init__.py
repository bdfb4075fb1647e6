"""Readers of scan files: every module here registers those of its formats."""
