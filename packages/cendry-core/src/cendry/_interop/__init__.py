"""Meeting points with libraries that the user may have. Nothing here is imported before its library is there."""
