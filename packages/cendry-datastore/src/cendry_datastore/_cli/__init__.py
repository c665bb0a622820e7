"""The commands of `cendry-datastore`. Needs the extra `migrate`."""
