"""A local page on which every template is looked at, in every language, while it is written."""
