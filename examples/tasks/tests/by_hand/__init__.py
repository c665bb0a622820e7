"""The same service with pydantic schemas, error handlers and ETags by hand, for comparison. Don't copy it."""
