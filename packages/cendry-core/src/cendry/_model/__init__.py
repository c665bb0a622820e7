"""Models and maps: the base classes, how subclasses are defined, and the metadata of instances."""
