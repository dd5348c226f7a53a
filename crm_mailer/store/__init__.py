"""What is known: the only place that speaks SQL, by SQLAlchemy Core on SQLite and PostgreSQL."""
