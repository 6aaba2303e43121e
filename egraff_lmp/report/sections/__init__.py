"""The sections of a page: a template each, and a function that fills it from the records."""
