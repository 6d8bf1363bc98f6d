"""The numbered bag of a show and its one pinned item; "link 3" stays 3."""
