"""The pose models, one file a paper."""
