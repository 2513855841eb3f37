"""The model bundles that ship with xspecnf: one folder each, read through :func:`xspecnf.load_model`."""
