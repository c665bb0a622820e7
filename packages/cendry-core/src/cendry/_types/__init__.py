"""Which Python type is stored how: the registry, shapes, and the classes of other libraries."""
