"""The live window: a local page on which a molecule is imaged, and a scan compared, while settings move."""
