"""Long work on many documents: its rate, its progress and its results. Nothing here sends anything."""
