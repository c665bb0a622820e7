"""What users subclass: models and maps, how their class statements are read, and what instances remember."""
