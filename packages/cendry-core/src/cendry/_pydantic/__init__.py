"""Models as types of pydantic, and so of FastAPI. Pydantic itself is imported by `hooks`, when pydantic asks."""
