"""The command line of xspecnf: thin verbs, each a call into the runtime, the training or the export package."""
