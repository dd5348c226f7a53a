"""Read-only reports: stories, worklists, figures."""
