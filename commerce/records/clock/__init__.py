"""The one clock that decides: the database's."""
