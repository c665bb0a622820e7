"""The commands of `cendry-firestore`. Needs the extra `cli`."""
