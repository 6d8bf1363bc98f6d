"""The show floor: a show with what it offers, opened and closed as one."""
