"""Integration with optional libraries. Nothing here is imported before its library is."""
