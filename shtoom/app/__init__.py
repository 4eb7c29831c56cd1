"""Import paths of 2004: the same objects as in `doug`."""
