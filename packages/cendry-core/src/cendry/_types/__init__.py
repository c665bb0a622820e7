"""How Python types are stored: the registry, shapes, and the classes of other libraries."""
